"""Filters as people write them, the same on the command line, in Python and for assistants.

``year>=2023``, ``section=Access``, ``draft!=true``, ``tags=["a", "b"]`` (any of them), ``year="2023"`` (the text, not
the number), ``loc.page=3`` (a path), ``"a=b"=1`` (a key in quotes). An unquoted value that reads as a number, true or
false is looked for as that and as text, since it may be stored either way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from xqg.errors import SettingsError
from xqg.identifiers import canonical
from xqg.records import FieldMatch

Value = str | int | float | bool
Filters = Mapping[str, Any] | Sequence[FieldMatch | str]
"""Texts or `FieldMatch`; or values by key: one, a list of which any will do, or operators with theirs."""

OPERATORS = ("=", "!=", "<", "<=", ">", ">=")
EXAMPLE = 'For example section=Access, year>=2023, draft!=true or tags=["a", "b"]'

_FORM = re.compile(r'("(?:[^"\\]|\\.)*"\s*|[^=<>!"]+)(!=|<=|>=|==|=|<|>)(.*)', re.DOTALL)
_INTEGER = re.compile(r"[+-]?(0|[1-9][0-9]{0,400})")
_DECIMAL = re.compile(r"[+-]?([0-9]{1,400}\.[0-9]{0,400}|\.[0-9]{1,400}|[0-9]{1,400}(?=[eE]))([eE][+-]?[0-9]{1,3})?")


def read_filters(filters: Filters) -> list[FieldMatch]:
    """The filters, whichever way they are written. :raises SettingsError: for what cannot be understood."""
    if isinstance(filters, Mapping):
        return [match for key, value in filters.items() for match in _of_value(key, value)]
    if isinstance(filters, str):
        raise SettingsError(f"The filters are one text, {filters!r}", "a list of texts or values by key", EXAMPLE)
    return [match if isinstance(match, FieldMatch) else parse_filter(match) for match in filters]


def parse_filter(text: str) -> FieldMatch:
    """One filter as a text, of a key, an operator and a value. :raises SettingsError: if it is none."""
    found = _FORM.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None or not found[3].strip():
        raise SettingsError(f"Cannot read the filter {text!r}", "KEY, one of = != < <= > >=, and a value", EXAMPLE)
    name, value = found[1].strip(), found[3].strip()
    key = _unquoted(name, text) if name.startswith('"') else name
    operator = "=" if found[2] == "==" else found[2]
    values = _values(value, text)
    if operator not in ("=", "!=") and not value.startswith("["):
        values = values[-1:]  # only numbers and dates have an order, so the number is meant
    return _match(key, operator, values)


def _of_value(key: str, value: Any) -> list[FieldMatch]:
    """The filters of one key given as JSON values, whose kinds are certain."""
    if isinstance(value, Mapping):
        unknown = [name for name in value if name not in OPERATORS]
        if unknown or not value:
            raise SettingsError(
                f"The filter of {key!r} has the operators {list(value)}", f"one of {', '.join(OPERATORS)}", EXAMPLE
            )
        return [_match(key, operator, _listed(part)) for operator, part in value.items()]
    return [_match(key, "=", _listed(value))]


def _listed(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _match(key: str, operator: str, values: Sequence[Any]) -> FieldMatch:
    if not isinstance(key, str) or not key.strip():
        raise SettingsError(f"The filter's key is {key!r}", "the name of a field", EXAMPLE)
    for value in values:
        if not isinstance(value, str | int | float):
            raise SettingsError(f"The filter of {key!r} has the value {value!r}", "a text, a number, true or false")
    if not values:
        raise SettingsError(f"The filter of {key!r} has no value", "one or more", EXAMPLE)
    if key in ("id", "document_id"):
        values = [canonical(str(value)) if isinstance(value, str | int) else value for value in values]
    return FieldMatch(key, tuple(values), cast(Any, operator))


def _values(text: str, whole: str) -> tuple[Value, ...]:
    """What a written value may stand for, the text first."""
    if text.startswith("["):
        values = _json(text, whole)
        if not isinstance(values, list):
            raise _unreadable(whole)
        return tuple(values)
    if text.startswith('"'):
        return (_unquoted(text, whole),)
    if text.lower() in ("true", "false"):
        return (text, text.lower() == "true")
    if _INTEGER.fullmatch(text):
        return (text, int(text))
    return (text, float(text)) if _DECIMAL.fullmatch(text) else (text,)


def _unquoted(text: str, whole: str) -> str:
    value = _json(text, whole)
    if not isinstance(value, str):
        raise _unreadable(whole)
    return value


def _json(text: str, whole: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise _unreadable(whole) from None


def _unreadable(whole: str) -> SettingsError:
    return SettingsError(
        f"Cannot read the value in the filter {whole!r}",
        "JSON after a quotation mark or a bracket",
        'A text that begins with one is written in quotes: title="[draft] notes"',
    )
