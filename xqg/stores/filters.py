"""Filters as tests of payload paths, for the embedded engine and for servers alike: one field may need several.

Values keep their kind (the text "7" is no number), but a number is a number: 7 finds 7.0. The engine compares numbers
as floats of 64 bits, so whole ones beyond 2⁵³ are matched as integers instead.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from typing import Any, TypeVar

from xqg.errors import SettingsError, StoreError
from xqg.records import FieldMatch

Paths = Callable[[str], tuple[str, ...]]
"""The payload paths that a filter's key may mean."""

Condition = TypeVar("Condition")

EXACT_FLOATS, INTEGERS = 2**53, 2**63
"""Whole numbers up to the first are floats without loss; those from the second on are kept as text."""

LOWEST, EARLIEST = -1.7e308, "0001-01-01T00:00:00+00:00"
"""What every number, and every date, is at least."""

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?![^T ])", re.ASCII)

BOUNDS = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}


class Kind(Enum):
    """How a value is looked for, with the types of payload index that can answer."""

    TEXT = ("keyword", "uuid")
    TRUTH = ("bool",)
    INTEGER = ("integer",)
    NUMBER = ("float", "integer")
    DATE = ("datetime",)
    PRESENT = ()


@dataclass(frozen=True)
class Test:
    """One look at a payload path. ``value``: what must stand there; bounds by name for NUMBER and DATE."""

    path: str
    kind: Kind
    value: Any = None


def tests_of(match: FieldMatch, paths: Paths) -> list[Test]:
    """The tests of which one must be passed (with "!=" none). :raises SettingsError: for what cannot be compared."""
    if match.operator in BOUNDS:
        looks = [_bounded(match, value) for value in match.values]
        if len(looks) != 1:
            raise SettingsError(f"{match.key} {match.operator} has {len(looks)} values", "one to compare with")
    else:
        looks = [look for value in match.values for look in _equal(match.key, value)]
    return [Test(path, kind, value) for path in paths(match.key) for kind, value in looks]


def combine(
    filters: Sequence[FieldMatch],
    paths: Paths,
    any_of: Callable[[Sequence[Test]], Condition],
    schema: Mapping[str, str] | None = None,
) -> tuple[list[Condition], list[Condition]]:
    """The conditions that a point must meet to pass all of ``filters``, and those that it must not meet.

    :param any_of: a client's condition that one of some tests is passed.
    :param schema: the type of the payload index on each path; with it, only what they answer is looked for. None: all.
    :raises StoreError: if ``schema`` has no index that answers one of the filters.
    """
    required: list[Condition] = []
    excluded: list[Condition] = []
    for match in filter(lambda match: match.values, filters):
        tests = tests_of(match, paths)
        if schema is not None:
            tests = [test for test in tests if schema.get(test.path) in test.kind.value] or _unindexed(match, tests)
        (excluded if match.operator == "!=" else required).append(any_of(tests))
    return required, excluded


def _unindexed(match: FieldMatch, tests: Sequence[Test]) -> list[Test]:
    kinds = sorted({test.kind.value[0] for test in tests})
    raise StoreError(
        f"The filter {match.key} {match.operator} {', '.join(map(str, match.values))} has no payload index, which the "
        "collection's strict mode demands",
        f"an index of type {' or '.join(kinds)} on {match.key!r}",
        f"Make one with `xqg ingest` or `xqg augment`: --index {match.key}:{kinds[0]}",
    )


def check_fields(filters: Sequence[FieldMatch], paths: Paths, exists: Callable[[list[Test]], bool]) -> None:
    """Raise where nothing was found because a filter can find nothing: its field is nowhere, or holds no such values.

    :param exists: whether some point passes one of these tests.
    :raises StoreError: names the field.
    """
    for match in filters:
        if match.operator == "!=":
            continue
        if not exists([Test(path, Kind.PRESENT) for path in paths(match.key)]):
            if exists([]):
                raise StoreError(
                    f"No passage has a field {match.key!r}",
                    "the key of a field",
                    "`xqg search --json` shows those there are",
                )
            return  # the collection is empty
        if match.operator in BOUNDS:
            _check_comparable(match, paths, exists)


def _check_comparable(match: FieldMatch, paths: Paths, exists: Callable[[list[Test]], bool]) -> None:
    kind, _ = _bounded(match, match.values[0])
    lowest = {"gte": LOWEST} if kind is Kind.NUMBER else {"gte": EARLIEST}
    if not exists([Test(path, kind, lowest) for path in paths(match.key)]):
        what = "number" if kind is Kind.NUMBER else "date"
        raise StoreError(
            f"The field {match.key!r} holds no {what} in any passage",
            f"one to compare with {match.operator} {match.values[0]}",
            "Texts can only be equal: filter with = or ingest the values as numbers or ISO 8601 dates",
        )


def read_date(text: str) -> str | None:
    """An ISO 8601 date, with a time or without, as Qdrant takes it; in UTC where it names no zone. None: it is none."""
    if _DATE.match(text) is None:
        return None
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).isoformat()


def _equal(key: str, value: Any) -> list[tuple[Kind, Any]]:
    if isinstance(value, bool):
        return [(Kind.TRUTH, value)]
    if isinstance(value, str):
        # the same moment, for a field of dates may have an index of dates alone
        moment = read_date(value)
        return [(Kind.TEXT, value), *([(Kind.DATE, {"gte": moment, "lte": moment})] if moment else [])]
    if isinstance(value, int) and EXACT_FLOATS < abs(value) < INTEGERS:
        return [(Kind.INTEGER, value)]
    number = _number(key, value)
    as_number = (Kind.NUMBER, {"gte": number, "lte": number})
    return [(Kind.TEXT, str(value)), as_number] if abs(value) >= INTEGERS else [as_number]


def _bounded(match: FieldMatch, value: Any) -> tuple[Kind, Any]:
    bound = BOUNDS[match.operator]
    if isinstance(value, str):
        moment = read_date(value)
        if moment is None:
            raise SettingsError(
                f"Cannot compare {match.key} {match.operator} {value!r}", "a number or an ISO 8601 date after it"
            )
        return Kind.DATE, {bound: moment}
    return Kind.NUMBER, {bound: _number(match.key, value)}


def _number(key: str, value: Any) -> float:
    number = float("nan")
    if isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):
            number = float(value)
    if not math.isfinite(number):
        raise SettingsError(f"The filter of {key!r} has the value {value!r}", "a text, a finite number, true or false")
    return number


def is_hopeless(filters: Sequence[FieldMatch]) -> bool:
    """Whether one of the filters names no value, which nothing can equal."""
    return any(not match.values and match.operator == "=" for match in filters)
