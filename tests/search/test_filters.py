"""Filters as people write them: what is understood, and what is said where it is not."""

from __future__ import annotations

from typing import Any

import pytest

from xqg.errors import SettingsError
from xqg.records import FieldMatch
from xqg.search.filters import parse_filter, read_filters


@pytest.mark.parametrize(
    ("text", "key", "operator", "values"),
    [
        ("section=Access", "section", "=", ("Access",)),
        ("section = Access to it ", "section", "=", ("Access to it",)),
        ("section!=Access", "section", "!=", ("Access",)),
        ("year>=2023", "year", ">=", (2023,)),
        ("year < 2023", "year", "<", (2023,)),
        ("year==2023", "year", "=", ("2023", 2023)),
        ("year=2023", "year", "=", ("2023", 2023)),
        ('year="2023"', "year", "=", ("2023",)),
        ("code=007", "code", "=", ("007",)),
        ("price=3.50", "price", "=", ("3.50", 3.5)),
        ("price<=-1e3", "price", "<=", (-1000.0,)),
        ("n=-5", "n", "=", ("-5", -5)),
        ("serial=12345678901234567890", "serial", "=", ("12345678901234567890", 12345678901234567890)),
        ("draft=true", "draft", "=", ("true", True)),
        ("draft!=False", "draft", "!=", ("False", False)),
        ("day>=2024-02-01", "day", ">=", ("2024-02-01",)),
        ("loc.page=3", "loc.page", "=", ("3", 3)),
        ('tags=["a", 1, true]', "tags", "=", ("a", 1, True)),
        ('tags != ["a"]', "tags", "!=", ("a",)),
        ('"a=b"=c=d', "a=b", "=", ("c=d",)),
        ('"a \\"b\\""=c', 'a "b"', "=", ("c",)),
        ('title="[draft] notes"', "title", "=", ("[draft] notes",)),
        ("url=https://x.test/?a=b", "url", "=", ("https://x.test/?a=b",)),
        ("id=101.0", "id", "=", ("101", 101.0)),
        ("id=cafe\u0301", "id", "=", ("café",)),
    ],
)
def test_what_is_understood(text: str, key: str, operator: Any, values: tuple[Any, ...]) -> None:
    found = parse_filter(text)
    assert found == FieldMatch(key, values, operator)
    assert [type(value) for value in found.values] == [type(value) for value in values]


@pytest.mark.parametrize(
    "text",
    ["", "section", "=x", "section=", "section = ", "a=[1", 'a="x', "a=[1] x", "a=[null]", "a=[[1]]", "a=[]", "!x=1"],
)
def test_what_is_not_understood_is_an_error(text: str) -> None:
    with pytest.raises(SettingsError):
        parse_filter(text)


def test_values_by_key_keep_their_kind() -> None:
    assert read_filters(
        {"year": 2023, "tags": ["a", "b"], "n": {">=": 1, "<": 5}, "draft": True, "s": {"!=": "x"}}
    ) == [
        FieldMatch("year", (2023,)),
        FieldMatch("tags", ("a", "b")),
        FieldMatch("n", (1,), ">="),
        FieldMatch("n", (5,), "<"),
        FieldMatch("draft", (True,)),
        FieldMatch("s", ("x",), "!="),
    ]


def test_texts_and_matches_go_together() -> None:
    match = FieldMatch("a", ("b",))
    assert read_filters([match, "c=d"]) == [match, FieldMatch("c", ("d",))]


@pytest.mark.parametrize(
    "filters", ["a=b", {"a": None}, {"a": {"near": 1}}, {"a": {}}, {"a": []}, {"a": [{"b": 1}]}, {"": 1}, [1], {1: 2}]
)
def test_what_no_filter_looks_like(filters: Any) -> None:
    with pytest.raises(SettingsError):
        read_filters(filters)


def test_a_long_text_takes_no_time() -> None:
    for text in (" " * 200_000, "a" * 200_000, '"' * 200_000, "=" * 200_000, "a=" + "[" * 200_000):
        with pytest.raises(SettingsError):
            parse_filter(text + "!" if "=" not in text else "a=[" + text)
