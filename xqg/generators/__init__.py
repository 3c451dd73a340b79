"""Passages in; queries and translations out: bundled, ``hf:``, ``openai:``, ``file:``, ``translate:``."""
