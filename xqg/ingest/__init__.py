"""The ingestion: what is new, in batches that can be resumed; generate, encode, fuse, store; what is gone, deleted."""
