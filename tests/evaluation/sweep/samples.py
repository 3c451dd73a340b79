"""Two passages whose vectors are plain to see, a generated query for each, and questions by hand."""

from __future__ import annotations

from pathlib import Path

from tests.fakes import FakeEncoder
from xqg.evaluation.queries import LabelledQuery
from xqg.evaluation.sweep.material import Material, VectorCache, gather
from xqg.records import GeneratedQuery, Passage

PASSAGES = (
    Passage("b", "battery battery invoice", language="en"),
    Passage("i", "invoice invoice battery", language="en"),
)
QUERIES = (
    LabelledQuery("1", "en", "battery", {"b": 1}),
    LabelledQuery("2", "fr", "password", {"b": 1}),
    LabelledQuery("3", "fr", "invoice password password", {"i": 1}),
    LabelledQuery("4", "ja", "invoice", {"i": 1}),
)


def generated(*rows: tuple[str, str, str]) -> list[GeneratedQuery]:
    return [GeneratedQuery(*row) for row in rows]


TEXTS = generated(("b", "fr", "password"), ("b", "fr", "valve"), ("i", "ja", "invoice"), ("b", "en", "refund"))


def material(
    folder: Path, texts: list[GeneratedQuery] = TEXTS, passages: list[GeneratedQuery] | None = None
) -> Material:
    found = {"queries": texts, "passages": passages or []}
    return gather(PASSAGES, found, QUERIES, VectorCache(FakeEncoder(), folder), neutral=False)
