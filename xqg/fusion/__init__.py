"""Vectors in, stored rows out: pieces of a passage, the language subspace, every rule. Pure numpy."""
