"""What every store must do with a vector for each language beside the default one, in numbers made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tests.stores.samples import METADATA, array, make_point
from xqg.errors import StoreError
from xqg.protocols import Collection, VectorStore
from xqg.records import FieldMatch

X, Y, Z, _ = np.eye(4, dtype=np.float32)


def ids(hits):
    return [hit.passage.id for hit in hits]


def stored_ids(store):
    return sorted(point.passage.id for point in store.points())


@pytest.fixture
def by_language(store: VectorStore) -> VectorStore:
    """Two passages: along X the default vectors find a, the French ones b; the Japanese ones of both lie along Z."""
    store.create(4, "cosine", METADATA, ["ja", "fr"])
    store.upsert(
        [
            make_point("a", X, by_language={"fr": Y, "ja": Z}),
            make_point("b", array(3, 4, 0, 0), by_language={"ja": 2 * Z, "fr": array(4, 3, 0, 0)}),
        ]
    )
    return store


def test_vectors_by_language_are_described(by_language):
    assert by_language.describe() == Collection(4, "cosine", 2, METADATA, ("fr", "ja"))
    by_language.write_metadata({"a": 2})
    by_language.close()
    assert by_language.describe() == Collection(4, "cosine", 2, {"a": 2}, ("fr", "ja"))


@pytest.mark.parametrize(("language", "expected"), [(None, [("a", 1.0), ("b", 0.6)]), ("fr", [("b", 0.8), ("a", 0.0)])])
@pytest.mark.parametrize("exact", [False, True])
def test_search_in_the_vectors_of_a_language(by_language, language, expected, exact):
    rows = by_language.search(np.stack([X, X]), 2, exact=exact, language=language)
    for hits in rows:
        assert ids(hits) == [name for name, _ in expected]
        assert [hit.score for hit in hits] == pytest.approx([score for _, score in expected], abs=1e-6)


def test_filters_and_ledger_know_no_languages(by_language):
    (hits,) = by_language.search(X[None], 2, [FieldMatch("id", ("a",))], language="fr")
    assert ids(hits) == ["a"]
    assert by_language.ledger(["a"]) == {"a": make_point("a").entry}


def test_a_language_without_vectors_is_an_error(by_language):
    with pytest.raises(StoreError):
        by_language.search(X[None], 1, language="de")


def test_vectors_by_language_come_back(by_language):
    for points in (by_language.points(["a", "b"], with_vectors=True), by_language.points(with_vectors=True)):
        b = {point.passage.id: point for point in points}["b"]
        assert b.vector == pytest.approx([0.6, 0.8, 0, 0], abs=1e-6)
        assert list(b.by_language) == ["fr", "ja"]
        assert b.by_language["fr"] == pytest.approx([0.8, 0.6, 0, 0], abs=1e-6)
        assert b.by_language["ja"] == pytest.approx([0, 0, 1, 0], abs=1e-6)
        assert b.by_language["fr"].dtype == np.float32
    assert all(point.by_language == {} for point in by_language.points(["a"]))


@pytest.mark.parametrize(
    "vectors",
    [
        {},
        {"fr": X},
        {"fr": X, "ja": X, "de": X},
        {"fr": X, "ja": array(1, 2, 3)},
        {"fr": X, "ja": array(0, 0, 0, float("nan"))},
    ],
    ids=["none", "one missing", "one too many", "size", "nan"],
)
def test_wrong_vectors_by_language_are_refused_and_harm_nothing(by_language, vectors):
    with pytest.raises(StoreError):
        by_language.upsert([make_point("good", by_language={"fr": X, "ja": X}), make_point("bad", by_language=vectors)])
    assert "bad" not in stored_ids(by_language)
    by_language.close()
    assert ids(by_language.search(X[None], 1, language="fr")[0])[0] != "bad"


def test_a_collection_without_languages_takes_no_vectors_for_them(store):
    store.create(4, "cosine", METADATA)
    with pytest.raises(StoreError, match=r"'x' has vectors for fr\. asked for no language"):
        store.upsert([make_point("x", by_language={"fr": X})])
    with pytest.raises(StoreError):
        store.search(X[None], 1, language="fr")


def test_vectors_by_language_outlast_a_bulk_load(store):
    store.create(2, "dot", {}, ["fr"])
    with store.bulk_load():
        store.upsert([make_point(str(n), array(n, 0), by_language={"fr": array(-n, 1)}) for n in range(1, 301)])
    store.close()
    (hits,) = store.search(array(1, 0)[None], 2, exact=True)
    assert [(hit.passage.id, hit.score) for hit in hits] == [("300", 300.0), ("299", 299.0)]
    (hits,) = store.search(array(1, 0)[None], 2, exact=True, language="fr")
    assert [(hit.passage.id, hit.score) for hit in hits] == [("1", -1.0), ("2", -2.0)]
