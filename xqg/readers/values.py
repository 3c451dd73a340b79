"""JSON as people write it, and values as stores take them."""

from __future__ import annotations

import datetime
import decimal
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from xqg.readers.characters import without_controls, without_surrogates
from xqg.readers.notes import CONTROL_CHARACTERS, LARGE_NUMBERS, NOT_FINITE, SURROGATES

MAX_DEPTH = 64
"""Nested deeper, metadata is rejected: JSON libraries stop anywhere between 100 and 1,000 levels."""

MAX_QUERY_CHARACTERS = 10_000
"""A longer query is no question: it is some other text in the wrong place."""


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

    Dates become ISO 8601, other things strings. :param note: told the kind of each change (`xqg.readers.notes`).
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
    """``text`` without control characters and halves of characters. :param note: as for `storable`."""
    whole = without_surrogates(text)
    if whole != text:
        note(SURROGATES)
    clean = without_controls(whole)
    if clean != whole:
        note(CONTROL_CHARACTERS)
    return clean
