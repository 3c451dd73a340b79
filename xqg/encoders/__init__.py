"""Texts in, vectors out: one file for each kind of encoder; prefixes, pooling, the profile of an encoder."""
