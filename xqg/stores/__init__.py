"""Qdrant, embedded and as a server: the only users of each client. Points in, points and hits out."""
