"""The one form of an id, so that the same passage is meant wherever its id is written."""

from __future__ import annotations

import math
import re
import unicodedata
from decimal import Decimal
from typing import Any

_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200e\u200f\u2060\ufeff"))
"""Soft hyphen, zero width space, direction marks, word joiner, byte order mark: nobody sees or types them."""

MAX_BYTES = 4096
"""As long as the longest path; normalising longer strings could take quadratic time."""

COMMIT = re.compile("[0-9a-f]{40}")
"""A revision of a model on a hub that stays what it is."""

_CONTROL = re.compile("[\x00-\x1f\x7f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_WHOLE_NUMBER = re.compile(r"(-?[0-9]+)\.0+")
_WHOLE_NUMBER_DIGITS = 19


def identifier(value: Any) -> str:
    """The id that ``value`` stands for: 101, 101.0, "101" and "101.0" are one, and so are composed and decomposed é.

    :raises ValueError: if it is no string and no number, or empty, too long, or holds control characters; says which.
    """
    text = value if isinstance(value, str) else _number_text(value)
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError as error:
        found = f"U+{ord(text[error.start]):04X} at character {error.start + 1}"
        raise ValueError(f"has a lone surrogate: {found}") from None
    if size > MAX_BYTES:
        raise ValueError(f"is {size} bytes long, the limit is {MAX_BYTES}")
    text = canonical(text)
    if not text:
        raise ValueError("is blank" if value else "is empty")
    control = _CONTROL.search(text)
    if control is not None:
        raise ValueError(f"has the control character U+{ord(control[0]):04X} at character {control.start() + 1}")
    return text


def canonical(text: str) -> str:
    """An id that is text already in that form, whatever it holds; for looking up what somebody typed."""
    if len(text) > MAX_BYTES:
        return text
    shown = unicodedata.normalize("NFC", text).translate(_INVISIBLE).strip()
    number = _WHOLE_NUMBER.fullmatch(shown)
    return shown if number is None else number[1]


def spellings(text: str) -> list[str]:
    """The ids under which what somebody calls ``text`` may be stored, likeliest first; [] where there are none."""
    return [name for name in dict.fromkeys([canonical(text), text]) if is_text(name)]


def is_text(text: str) -> bool:
    """Whether ``text`` has no lone surrogates, as names and arguments that are not UTF-8 have."""
    return _SURROGATE.search(text) is None


def _number_text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError(f"is neither a string nor a number but {kind_of(value)}")
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        raise ValueError(f"is {value}")
    whole = abs(value) < 10**_WHOLE_NUMBER_DIGITS and value == int(value)
    return str(int(value)) if whole else str(value)


_KINDS = {bool: "true or false", dict: "an object", float: "a number", int: "a number", list: "a list", str: "a string"}


def kind_of(value: object) -> str:
    """What kind of JSON value this is, for messages."""
    return "null" if value is None else _KINDS.get(type(value), type(value).__name__)
