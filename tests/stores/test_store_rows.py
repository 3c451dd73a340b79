"""What every store must do with several rows a point, in numbers made by hand: the nearest row counts."""

from __future__ import annotations

import numpy as np
import pytest

from tests.stores.samples import METADATA, array, make_point
from xqg.errors import StoreError
from xqg.protocols import Collection, VectorStore
from xqg.records import FieldMatch

X, Y, Z, W = np.eye(4, dtype=np.float32)
HALF = 2.0**-10
"""What float16 may take from a number below 1."""


def ids(hits):
    return [hit.passage.id for hit in hits]


@pytest.fixture
def rows(store: VectorStore) -> VectorStore:
    """To a query along X the best rows have the cosines b 0.8, a 0.6, c 0; along Y a 0.8, b 0.6, c 0.28."""
    store.create(4, "cosine", METADATA, multivector=True)
    store.upsert(
        [
            make_point("a", np.stack([array(3, 4, 0, 0), Z, -X]), metadata={"year": 1}),
            make_point("b", np.stack([W, array(8, 6, 0, 0)]), metadata={"year": 2}),
            make_point("c", array(0, 0.28, 0, 0.96), metadata={"year": 1}),
        ]
    )
    return store


def test_a_multivector_is_described(rows):
    assert rows.describe() == Collection(4, "cosine", 3, METADATA, multivector=True)
    rows.write_metadata({"a": 2})
    rows.close()
    assert rows.describe() == Collection(4, "cosine", 3, {"a": 2}, multivector=True)


@pytest.mark.parametrize("exact", [False, True])
def test_the_nearest_row_counts(rows, exact):
    found = rows.search(np.stack([X, Y, Z]), 3, exact=exact)
    assert [ids(hits) for hits in found[:2]] == [["b", "a", "c"], ["a", "b", "c"]]
    assert [hit.score for hit in found[0]] == pytest.approx([0.8, 0.6, 0], abs=HALF)
    assert [hit.score for hit in found[1]] == pytest.approx([0.8, 0.6, 0.28], abs=HALF)
    assert (ids(found[2])[0], found[2][0].score) == ("a", pytest.approx(1, abs=HALF))


def test_filters_and_ledger_know_no_rows(rows):
    (hits,) = rows.search(X[None], 3, [FieldMatch("year", (1,))])
    assert ids(hits) == ["a", "c"]
    assert rows.ledger(["b"]) == {"b": make_point("b", metadata={"year": 2}).entry}


def test_rows_come_back_in_their_order(rows):
    for points in (rows.points(["c", "a"], with_vectors=True), rows.points(with_vectors=True)):
        found = {point.passage.id: point.rows for point in points}
        assert found["a"] == pytest.approx(np.stack([array(0.6, 0.8, 0, 0), Z, -X]), abs=HALF)
        assert found["c"] == pytest.approx(array(0, 0.28, 0, 0.96)[None], abs=HALF)
        assert found["a"].dtype == np.float32
    assert all(point.rows is None for point in rows.points(["a"]))


def test_a_point_may_change_the_number_of_its_rows(rows):
    rows.upsert([make_point("a", X), make_point("c", np.stack([X, Y, Z, W]))])
    rows.upsert([make_point("a", X), make_point("c", np.stack([X, Y, Z, W]))])
    assert {point.passage.id: len(point.rows) for point in rows.points(with_vectors=True)} == {"a": 1, "b": 2, "c": 4}
    assert ids(rows.search(Z[None], 1)[0]) == ["c"]


def test_scores_of_random_rows_are_those_of_numpy(store):
    generator = np.random.default_rng(3)
    store.create(8, "cosine", {}, multivector=True)
    stored = {str(number): generator.normal(size=(1 + number % 5, 8)).astype(np.float32) for number in range(60)}
    with store.bulk_load():
        store.upsert([make_point(key, rows) for key, rows in stored.items()])
    unit = {key: rows / np.linalg.norm(rows, axis=1, keepdims=True) for key, rows in stored.items()}
    for query in generator.normal(size=(5, 8)).astype(np.float32):
        expected = {key: float((rows @ query).max() / np.linalg.norm(query)) for key, rows in unit.items()}
        (hits,) = store.search(query[None], 60, exact=True)
        assert {hit.passage.id: hit.score for hit in hits} == pytest.approx(expected, abs=2 * HALF)


def test_under_the_dot_product_the_length_of_a_row_counts(store):
    store.create(2, "dot", {}, multivector=True)
    store.upsert([make_point("a", np.stack([array(1, 0), array(0, 4)])), make_point("b", array(2, 0))])
    assert [[(hit.passage.id, hit.score) for hit in hits] for hits in store.search(array(1, 0)[None], 2)] == [
        [("b", 2.0), ("a", 1.0)]
    ]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.ones((2, 3)), "'bad' has vectors of 3 numbers"),
        (np.stack([X, array(0, 0, 0, float("nan"))]), "'bad' has a vector with NaN"),
        (np.zeros((0, 4)), r"'bad' has vectors of shape \(0, 4\)"),
    ],
    ids=["size", "nan", "no rows"],
)
def test_wrong_rows_are_refused_and_harm_nothing(rows, bad, message):
    with pytest.raises(StoreError, match=message):
        rows.upsert([make_point("good"), make_point("bad", bad)])
    assert sorted(point.passage.id for point in rows.points()) == ["a", "b", "c"]
    rows.close()
    assert ids(rows.search(X[None], 1)[0]) == ["b"]
