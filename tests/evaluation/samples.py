"""A small collection of words, and queries for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.fakes import FakeEncoder, FakeStore
from xqg.protocols import Point
from xqg.records import LedgerEntry, Passage, Texts, content_hash
from xqg.search.searcher import Searcher


def make_store(
    texts: Mapping[str, str],
    queries: Mapping[str, Mapping[str, tuple[str, ...]]] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> FakeStore:
    """One point for each text; an id like ``doc#2`` is a chunk of ``doc``."""
    store, encoder = FakeStore(), FakeEncoder()
    store.create(encoder.dimension, "dot", {"settings": {"encoder": dict(encoder.identity), **(settings or {})}})
    for key, text in texts.items():
        passage = Passage(key, text, document_id=key.partition("#")[0])
        entry = LedgerEntry("", content_hash(passage), "", "", Texts((queries or {}).get(key, {})))
        store.stored[key] = Point(passage, entry, encoder.encode_passages([passage])[0])
    return store


def make_searcher(texts: Mapping[str, str], broken: Sequence[str] = ()) -> Searcher:
    """A searcher over the texts; the vectors of the ids in ``broken`` are not finite."""
    store = make_store(texts)
    for key in broken:
        point = store.stored[key]
        store.stored[key] = Point(
            point.passage, point.entry, FakeEncoder().encode_passages([point.passage])[0] * float("nan")
        )
    return Searcher(FakeEncoder(), store)
