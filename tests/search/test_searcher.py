from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.fakes import FakeEncoder, FakeStore
from xqg.errors import FingerprintError, SettingsError, StoreError
from xqg.languages import LanguageDetector
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
        store.stored[key] = Point(passage, entry, encoder.encode_passages([passage])[0])
    return store


def test_hits_come_best_first(store: FakeStore) -> None:
    hits = Searcher(FakeEncoder(), store).search("invoice battery", limit=2)
    assert [(hit.rank, hit.passage.id, hit.score) for hit in hits] == [(1, "b", 2.0), (2, "a", 1.0)]


def test_an_empty_query_is_an_error(store: FakeStore) -> None:
    with pytest.raises(SettingsError, match="empty"):
        Searcher(FakeEncoder(), store).search("  \n")


def test_no_queries_give_no_lists(store: FakeStore) -> None:
    assert Searcher(FakeEncoder(), store).search_many([]) == []


class FakeDetector(LanguageDetector):
    """Takes the first word of a query for its language, and counts the queries."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def choose(self, text: str, languages: Sequence[str]) -> str | None:
        self.asked.append(text)
        return next((language for language in languages if text.startswith(language)), None)


@pytest.fixture
def by_language() -> FakeStore:
    """To a question of the battery the default vectors answer a, b, the French ones b, a, the German ones a, b."""
    store, encoder = FakeStore(), FakeEncoder()
    store.create(encoder.dimension, "dot", {}, ["fr", "de"])
    texts = {"a": ("battery battery", "battery", "battery battery"), "b": ("battery", "battery battery", "battery")}
    for key, (default, french, german) in texts.items():
        vectors = encoder.encode_queries([default, french, german])
        entry = LedgerEntry("", "", "", "", {})
        store.upsert([Point(Passage(key, default), entry, vectors[0], {"fr": vectors[1], "de": vectors[2]})])
    return store


def searcher_by_language(store: FakeStore, detector: LanguageDetector | None) -> Searcher:
    collection = store.describe()
    assert collection is not None
    return Searcher(FakeEncoder(), store, collection.languages, detector)


@pytest.mark.parametrize(
    ("query", "language", "expected"),
    [
        ("fr battery", None, "ba"),  # detected
        ("ja battery", None, "ab"),  # detected as no language that has vectors
        ("de battery", "fr", "ba"),  # given beats detected
        ("fr battery", "FR-ca", "ba"),  # a tag names its language
        ("fr battery", "ja", "ab"),  # given, without vectors: the default ones
    ],
)
def test_the_language_decides_which_vectors_are_searched(
    by_language: FakeStore, query: str, language: str | None, expected: str
) -> None:
    hits = searcher_by_language(by_language, FakeDetector()).search(query, language=language)
    assert "".join(hit.passage.id for hit in hits) == expected


def test_queries_are_searched_by_language_and_keep_their_order(by_language: FakeStore) -> None:
    detector = FakeDetector()
    queries = ["fr battery", "en battery", "battery", "fr battery battery", "de battery"]
    rows = searcher_by_language(by_language, detector).search_many(queries, 1, languages=[None, None, "fr", None, None])
    assert [(hits[0].passage.id, hits[0].score) for hits in rows] == [
        ("b", 2.0),
        ("a", 2.0),
        ("b", 2.0),
        ("b", 4.0),
        ("a", 2.0),
    ]
    assert by_language.searched == [("fr", 3), (None, 1), ("de", 1)]
    assert detector.asked == ["fr battery", "en battery", "fr battery battery", "de battery"]


def test_without_vectors_by_language_nothing_is_detected(store: FakeStore) -> None:
    detector = FakeDetector()
    searcher = Searcher(FakeEncoder(), store, (), detector)
    searcher.search("fr invoice")
    searcher.search("fr invoice", language="fr")
    assert (store.searched, detector.asked) == ([(None, 1), (None, 1)], [])


def test_without_a_detector_only_a_given_language_counts(by_language: FakeStore) -> None:
    searcher = searcher_by_language(by_language, None)
    searcher.search_many(["fr battery", "battery"], languages=[None, "fr"])
    assert by_language.searched == [(None, 1), ("fr", 1)]


def test_an_unknown_language_is_an_error_everywhere(store: FakeStore, by_language: FakeStore) -> None:
    for searcher in (Searcher(FakeEncoder(), store), searcher_by_language(by_language, FakeDetector())):
        with pytest.raises(SettingsError, match=r"Unknown language 'frx'.*Try fr"):
            searcher.search("battery", language="frx")
    assert store.searched == by_language.searched == []


def test_each_query_needs_its_language_or_none(by_language: FakeStore) -> None:
    with pytest.raises(SettingsError, match="1 languages for 2 queries"):
        searcher_by_language(by_language, FakeDetector()).search_many(["a", "b"], languages=["fr"])


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
