from __future__ import annotations

import pytest

from tests.fakes import FakeEncoder, FakeStore
from xqg.errors import FingerprintError, SettingsError, StoreError
from xqg.protocols import Point
from xqg.records import LedgerEntry, Passage
from xqg.search.searcher import Searcher, check_encoder, require_collection


@pytest.fixture
def store() -> FakeStore:
    store, encoder = FakeStore(), FakeEncoder()
    store.create(encoder.dimension, "dot", {"settings": {"encoder": dict(encoder.identity)}})
    texts = {"a": "battery", "b": "invoice invoice", "c": "wifi"}
    for key, text in texts.items():
        passage = Passage(key, text, document_id=key)
        entry = LedgerEntry("", "", "", "", {"fr": (f"{text} ou", "other"), "de": ("valve",)})
        store.stored[key] = Point(passage, entry, encoder.encode_passages([passage]))
    return store


def test_hits_come_best_first(store: FakeStore) -> None:
    hits = Searcher(FakeEncoder(), store).search("invoice battery", limit=2)
    assert [(hit.rank, hit.passage.id, hit.score) for hit in hits] == [(1, "b", 2.0), (2, "a", 1.0)]


def test_an_empty_query_is_an_error(store: FakeStore) -> None:
    with pytest.raises(SettingsError, match="empty"):
        Searcher(FakeEncoder(), store).search("  \n")


def test_no_queries_give_no_lists(store: FakeStore) -> None:
    assert Searcher(FakeEncoder(), store).search_many([]) == []


def test_explain_finds_the_closest_generated_query(store: FakeStore) -> None:
    searcher = Searcher(FakeEncoder(), store)
    hits = searcher.search("wifi valve", limit=3)
    by_id = {hit.passage.id: found for hit, found in zip(hits, searcher.explain("wifi", hits), strict=True)}
    explanation = by_id["c"]
    assert explanation is not None
    assert (explanation.language, explanation.query, explanation.similarity) == ("fr", "wifi ou", pytest.approx(1.0))


def test_a_missing_or_foreign_collection_is_an_error(store: FakeStore) -> None:
    with pytest.raises(StoreError, match="no collection 'help'"):
        require_collection(FakeStore(), "help")
    foreign = FakeStore()
    foreign.create(3, "dot", {})
    with pytest.raises(StoreError, match="not made by xqg"):
        require_collection(foreign, "help")


def test_another_encoder_is_refused_and_both_are_shown(store: FakeStore) -> None:
    collection = require_collection(store, "help")
    check_encoder(collection, FakeEncoder(), "help")
    with pytest.raises(FingerprintError, match="revision: stored '1', asked '2'"):
        check_encoder(collection, FakeEncoder(revision="2"), "help")
