from __future__ import annotations

import numpy as np
import pytest

from tests.fakes import FakeEncoder, FakeStore
from xqg.errors import FingerprintError, SettingsError, StoreError
from xqg.fusion.pieces import PieceKind
from xqg.protocols import Point
from xqg.records import LedgerEntry, Passage, Texts
from xqg.search.searcher import Searcher, check_encoder, require_collection


@pytest.fixture
def store() -> FakeStore:
    store, encoder = FakeStore(), FakeEncoder()
    store.create(encoder.dimension, "dot", {"settings": {"encoder": dict(encoder.identity)}})
    texts = {"a": "battery", "b": "invoice invoice", "c": "wifi"}
    for key, text in texts.items():
        passage = Passage(key, text, document_id=key)
        entry = LedgerEntry("", "", "", "", Texts({"fr": (f"{text} ou", "other"), "de": ("valve",)}))
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


def test_a_passage_is_as_near_as_the_nearest_of_its_rows(store: FakeStore) -> None:
    encoder = FakeEncoder()
    rows = encoder.encode_queries(["valve", "refund refund"])
    store.stored["d"] = Point(Passage("d", "…"), LedgerEntry("", "", "", "", Texts({})), rows)
    hits = Searcher(encoder, store).search("refund invoice", limit=2)
    assert [(hit.passage.id, hit.score) for hit in hits] == [("b", 2.0), ("d", 2.0)]


def test_many_queries_are_one_search(store: FakeStore) -> None:
    rows = Searcher(FakeEncoder(), store).search_many(["battery", "wifi"], 1)
    assert [hits[0].passage.id for hits in rows] == ["a", "c"]
    assert store.searched == [2]


def test_explain_finds_the_closest_piece_whatever_its_kind(store: FakeStore) -> None:
    passage = Passage("e", "The valve of the battery is new. A refund of the invoice is due.", "language", "en")
    entry = LedgerEntry("", "", "", "", Texts({"fr": ("wifi ou",)}, {"de": ("refund wifi",)}))
    store.stored["e"] = Point(passage, entry, np.eye(8, dtype=np.float32))
    searcher = Searcher(FakeEncoder(), store)
    hits = [hit for hit in searcher.search("valve", limit=9) if hit.passage.id == "e"]
    found = {
        question: (explanation.piece.kind, explanation.piece.text, explanation.piece.language)
        for question in ("language", "battery", "invoice refund", "wifi")
        if (explanation := searcher.explain(question, hits)[0]) is not None
    }
    assert found == {
        "language": (PieceKind.TITLE, "language", "en"),
        "battery": (PieceKind.SENTENCE, "The valve of the battery is new.", "en"),
        "invoice refund": (PieceKind.SENTENCE, "A refund of the invoice is due.", "en"),
        "wifi": (PieceKind.QUERY, "wifi ou", "fr"),
    }


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
