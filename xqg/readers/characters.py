"""Takes out of texts what is no text, so that one stray character is no reason to refuse a document."""

from __future__ import annotations

import re

# Form feeds and vertical tabs are white space that PDF extractors leave behind; the others are not text.
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
REPLACEMENT = "\ufffd"


def without_controls(text: str) -> str:
    """``text`` with a space for each run of control characters, or nothing where white space or an end is beside it."""
    return _CONTROL.sub(_space, text)


def without_surrogates(text: str) -> str:
    """``text`` with U+FFFD for each half of a character, which UTF-8 cannot hold."""
    return _SURROGATE.sub(REPLACEMENT, text)


def _space(found: re.Match[str]) -> str:
    start, end = found.span()
    before, behind = found.string[max(start - 1, 0) : start], found.string[end : end + 1]
    return " " if before.strip() and behind.strip() else ""
