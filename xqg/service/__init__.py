"""The service: ingestion as a running thing, with an HTTP API, a durable queue and a page."""
