"""JSON as people write it, values as stores take them, and a count of what was changed to make them so."""

from __future__ import annotations

import datetime
import decimal
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

CONTROL_CHARACTERS = "control characters are taken out"
SURROGATES = "half characters (lone surrogates) are replaced by U+FFFD"
NOT_FINITE = "NaN or infinite numbers are taken as missing, and stored as null in the metadata"
LARGE_NUMBERS = "whole numbers of more than 64 bits are stored as strings in the metadata"
LANGUAGE_TAGS = "the language that is named is not known, and passed over"
FRONT_MATTER = "the front matter is neither YAML nor TOML; what reads KEY: VALUE is taken"

MAX_DEPTH = 64
"""Nested deeper, metadata is rejected: JSON libraries stop anywhere between 100 and 1,000 levels."""

MAX_QUERY_CHARACTERS = 10_000
"""A longer query is no question: it is some other text in the wrong place."""

# Form feeds and vertical tabs are white space that PDF extractors leave behind; the others are not text.
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f]+")
_SURROGATE = re.compile("[\ud800-\udfff]")


class Notes:
    """How many records had each kind of change made to them, and where the first one is."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._first: dict[str, str] = {}

    def add(self, kind: str, place: str) -> None:
        """Count a record for ``kind``; ``place`` is FILE:LINE."""
        self._first.setdefault(kind, place)
        self._counts[kind] = self._counts.get(kind, 0) + 1

    def lines(self) -> list[str]:
        """A sentence for each kind; [] where nothing was changed."""
        return [
            f"{kind}: {count} {'record' if count == 1 else 'records'}, the first at {self._first[kind]}"
            for kind, count in self._counts.items()
        ]


class UnfitRecordError(ValueError):
    """A record that makes no passage; the message is the reason."""


def parse_json(text: str) -> Any:
    """The value of JSON as it is written: with NaN and Infinity, as Python writes them, and raw control characters.

    :raises UnfitRecordError: if ``text`` is not JSON; says where.
    """
    try:
        return json.loads(text, strict=False)
    except json.JSONDecodeError as error:
        raise UnfitRecordError(f"not JSON: {error.msg.removesuffix(' at')} at character {error.pos + 1}") from error
    except RecursionError as error:
        raise UnfitRecordError("not usable JSON: nested too deeply") from error
    except ValueError as error:  # a number of more than 4,300 digits
        raise UnfitRecordError("not usable JSON: a number has too many digits") from error


def storable(value: Any, note: Callable[[str], None], depth: int = 0) -> Any:
    """``value`` as JSON that every store takes: no NaN, clean strings, whole numbers of up to 64 bits.

    Dates become ISO 8601, other things strings. :param note: called with the kind of each change.
    :raises UnfitRecordError: if it is nested too deeply.
    """
    if depth > MAX_DEPTH:
        raise UnfitRecordError(f"metadata is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, Mapping):
        return {clean_text(str(name), note): storable(part, note, depth + 1) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [storable(part, note, depth + 1) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        note(NOT_FINITE)
        return None
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        note(LARGE_NUMBERS)
        return str(value)
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return str(value)
    return clean_text(value, note) if isinstance(value, str) else value


def is_missing(value: Any) -> bool:
    """Whether a field holds nothing: null, or NaN, which tables write for it."""
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def clean_text(text: str, note: Callable[[str], None]) -> str:
    """``text`` without control characters and lone surrogates. :param note: as for `storable`."""
    whole = without_surrogates(text)
    if whole != text:
        note(SURROGATES)
    clean = without_controls(whole)
    if clean != whole:
        note(CONTROL_CHARACTERS)
    return clean


def without_controls(text: str) -> str:
    """``text`` with a space for each run of control characters, or nothing where white space or an end is beside it."""
    return _CONTROL.sub(_space, text)


def without_surrogates(text: str) -> str:
    """``text`` with U+FFFD for each lone surrogate, which UTF-8 cannot hold."""
    return _SURROGATE.sub("\ufffd", text)


def _space(found: re.Match[str]) -> str:
    start, end = found.span()
    before, behind = found.string[max(start - 1, 0) : start], found.string[end : end + 1]
    return " " if before.strip() and behind.strip() else ""
