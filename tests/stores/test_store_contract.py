"""What every store must do, in numbers made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tests.stores.samples import METADATA, array, make_point
from xqg.errors import StoreError, XqgError
from xqg.ingest.removal import delete_stale_chunks
from xqg.protocols import Collection, VectorStore
from xqg.records import FieldMatch, point_id

X, Y, Z, W = np.eye(4, dtype=np.float32)


def ids(hits):
    return [hit.passage.id for hit in hits]


def stored_ids(store):
    return sorted(point.passage.id for point in store.points())


@pytest.fixture
def filled(store: VectorStore) -> VectorStore:
    """Five passages; to a query along X their cosines are a 1.0, b 0.8, c 0.6, d 0, e -1."""
    store.create(4, "cosine", METADATA)
    store.upsert(
        [
            make_point("c", array(3, 4, 0, 0), metadata={"year": 2020, "draft": True, "kind": "x"}),
            make_point("a", array(2, 0, 0, 0), metadata={"year": 2019, "draft": False, "kind": "x"}, language="fr"),
            make_point("e", array(-1, 0, 0, 0), metadata={"year": 1, "draft": 1, "file name": "e.md"}),
            make_point("b", array(0.8, 0.6, 0, 0), metadata={"year": 2020, "draft": False, "kind": "y"}),
            make_point("d", array(0, 0, 5, 0), metadata={"year": "2020", "tags": ["p", "q"]}, title="T"),
        ]
    )
    return store


def test_nothing_there(store):
    assert store.describe() is None
    assert store.describe() is None, "looking must not create"


def test_create_then_describe(store):
    store.create(4, "cosine", METADATA)
    assert store.describe() == Collection(4, "cosine", 0, METADATA)


def test_dot_is_told_from_cosine(store):
    store.create(3, "dot", {})
    assert store.describe() == Collection(3, "dot", 0, {})


def test_creating_twice(store):
    store.create(4, "cosine", METADATA)
    with pytest.raises(StoreError, match="already"):
        store.create(4, "cosine", METADATA)
    assert store.describe() == Collection(4, "cosine", 0, METADATA)


def test_metadata_is_replaced_not_merged(store):
    store.create(4, "cosine", {"a": 1, "b": {"c": None}})
    store.write_metadata({"b": {"d": 0.25}, "日本": "🦀"})
    assert store.describe().metadata == {"b": {"d": 0.25}, "日本": "🦀"}


def test_metadata_outlasts_closing(store):
    store.create(4, "cosine", METADATA)
    store.upsert([make_point("a")])
    store.close()
    store.close()
    assert store.describe() == Collection(4, "cosine", 1, METADATA)


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.write_metadata({}),
        lambda store: store.ledger(["a"]),
        lambda store: store.upsert([make_point("a")]),
        lambda store: delete_stale_chunks(store, {"a": "1"}),
        lambda store: store.search(array(1, 0, 0, 0)[None], 1),
        lambda store: list(store.points(["a"])),
        lambda store: list(store.points()),
    ],
    ids=["write_metadata", "ledger", "upsert", "delete", "search", "points", "all points"],
)
def test_a_missing_collection_is_an_error_that_says_so(store, call):
    with pytest.raises(StoreError, match="no collection"):
        call(store)
    assert store.describe() is None


def test_ledger_knows_what_is_stored(filled):
    point = make_point("n", array(0, 0, 0, 1), queries={"ja": ("何？",), "ar": (), "fr": ("a ?", "b ?")})
    filled.upsert([point])
    ledger = filled.ledger(["n", "unknown", "a"])
    assert list(ledger) == ["n", "a"]
    assert ledger["n"] == point.entry
    assert list(ledger["n"].texts.queries) == ["ja", "ar", "fr"]
    assert filled.ledger([]) == {}


def test_ledger_of_more_than_one_page(store):
    store.create(4, "cosine", {})
    names = [f"p{number}" for number in range(600)]
    store.upsert([make_point(name) for name in names])
    assert list(store.ledger(names)) == names
    assert [point.passage.id for point in store.points(names[::-1])] == names[::-1]
    everything = [point.passage.id for point in store.points()]
    assert everything == sorted(names, key=point_id)


def test_upsert_is_idempotent_and_replaces(filled):
    filled.upsert([make_point("a", array(0, 0, 0, 1), text="new")])
    filled.upsert([make_point("a", array(0, 0, 0, 1), text="new")])
    filled.upsert([])
    assert filled.describe().points == 5
    assert ids(filled.search(W[None], 1)[0]) == ["a"]
    (point,) = filled.points(["a"])
    assert point.passage.text == "new"
    assert point.passage.metadata == {}


def test_search_order_scores_and_ranks(filled):
    (hits,) = filled.search(np.stack([X]), 3)
    assert ids(hits) == ["a", "b", "c"]
    assert [hit.rank for hit in hits] == [1, 2, 3]
    assert [hit.score for hit in hits] == pytest.approx([1.0, 0.8, 0.6], abs=1e-6)
    assert hits[0].passage.language == "fr"


def test_search_of_several_queries_and_of_none(filled):
    rows = filled.search(np.stack([Z, X, -X]), 1)
    assert [ids(hits) for hits in rows] == [["d"], ["a"], ["e"]]
    assert filled.search(np.zeros((0, 4), dtype=np.float32), 1) == []


def test_more_queries_than_one_request_holds(filled):
    rows = filled.search(np.stack([X, Z] * 70), 1)
    assert [hits[0].passage.id for hits in rows] == ["a", "d"] * 70


def test_limit_above_the_number_of_points(filled):
    assert ids(filled.search(X[None], 50)[0]) == ["a", "b", "c", "d", "e"]


def test_exact_search(filled):
    assert ids(filled.search(X[None], 2, exact=True)[0]) == ["a", "b"]


def test_dot_counts_length_and_cosine_does_not(store):
    store.create(2, "dot", {})
    store.upsert([make_point("short", array(1, 0)), make_point("long", array(3, 4))])
    (hits,) = store.search(array(1, 0)[None], 2)
    assert [(hit.passage.id, hit.score) for hit in hits] == [("long", 3.0), ("short", 1.0)]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ([FieldMatch("kind", ("x",))], ["a", "c"]),
        ([FieldMatch("kind", ("x", "y"))], ["a", "b", "c"]),
        ([FieldMatch("year", (2020,))], ["b", "c"]),
        ([FieldMatch("year", ("2020",))], ["d"]),
        ([FieldMatch("year", (2019, "2020"))], ["a", "d"]),
        ([FieldMatch("draft", (True,))], ["c"]),
        ([FieldMatch("draft", (False,))], ["a", "b"]),
        ([FieldMatch("draft", (1,))], ["e"]),
        ([FieldMatch("kind", ("x",)), FieldMatch("year", (2020,))], ["c"]),
        ([FieldMatch("language", ("fr",))], ["a"]),
        ([FieldMatch("id", ("b",))], ["b"]),
        ([FieldMatch("title", ("T",))], ["d"]),
        ([FieldMatch("document_id", ("e",))], ["e"]),
        ([FieldMatch("metadata.kind", ("y",))], ["b"]),
        ([FieldMatch("tags", ("q",))], ["d"]),
        ([FieldMatch("file name", ("e.md",))], ["e"]),
        ([FieldMatch("kind", ("unknown",))], []),
        ([FieldMatch("kind", ())], []),
    ],
)
def test_filters(filled, filters, expected):
    (hits,) = filled.search(X[None], 10, filters)
    assert ids(hits) == expected


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        (FieldMatch("kind", ("x",), "!="), ["b", "d"]),
        (FieldMatch("kind", ("x", "y"), "!="), ["d"]),
        (FieldMatch("kind", (), "!="), ["b", "c", "a", "d"]),
        (FieldMatch("year", (2020,), ">="), ["b", "c"]),
        (FieldMatch("year", (2019,), ">"), ["b", "c"]),
        (FieldMatch("year", (2019.5,), "<"), ["a"]),
        (FieldMatch("year", (2020.0,)), ["b", "c"]),
        (FieldMatch("price", (3,)), ["a", "b"]),
        (FieldMatch("price", (3.0,)), ["a", "b"]),
        (FieldMatch("price", (3.5,)), ["c"]),
        (FieldMatch("price", (3,), "<="), ["a", "b"]),
        (FieldMatch("serial", (2**53 + 1,)), ["a"]),
        (FieldMatch("serial", (12345678901234567890,)), ["c", "d"]),
        (FieldMatch("serial", ("12345678901234567890",)), ["c", "d"]),
        (FieldMatch("day", ("2024-02-01",), ">="), ["b", "c"]),
        (FieldMatch("day", ("2024-02-01T01:00:00+02:00",), "<"), ["a"]),
        (FieldMatch("loc.page", (1,)), ["a"]),
        (FieldMatch("metadata.loc.page", (1,)), ["a"]),
        (FieldMatch("a.b", ("dotted",)), ["b"]),
    ],
)
def test_comparisons_numbers_and_dotted_keys(store, match, expected):
    store.create(4, "cosine", METADATA)
    metadata = {
        "a": {"kind": "x", "year": 2019, "price": 3, "serial": 2**53 + 1, "day": "2024-01-31", "loc": {"page": 1}},
        "b": {"kind": "y", "year": 2020, "price": 3.0, "serial": 2**53, "day": "2024-02-01", "a.b": "dotted"},
        "c": {"kind": "x", "year": 2020.0, "price": 3.5, "serial": 12345678901234567890, "day": "2024-03-01T10:00:00Z"},
        "d": {"year": "2020", "price": "3", "serial": "12345678901234567890", "day": "soon"},
    }
    store.upsert([make_point(name, metadata=values) for name, values in metadata.items()])
    (hits,) = store.search(X[None], 10, [match])
    assert sorted(ids(hits)) == sorted(expected)


@pytest.mark.parametrize(
    ("match", "message"),
    [
        (FieldMatch("nowhere", (1,)), "No passage has a field 'nowhere'"),
        (FieldMatch("kind", (1,), ">"), "'kind' holds no number"),
        (FieldMatch("year", ("2020-01-01",), ">"), "'year' holds no date"),
        (FieldMatch("year", ("many",), ">"), "Cannot compare year > 'many'"),
        (FieldMatch("year", (1, 2), ">"), "2 values"),
        (FieldMatch("year", (float("nan"),)), "nan"),
        (FieldMatch("year", (10**400,)), "finite number"),
        (FieldMatch("year", (None,)), "None"),
    ],
)
def test_a_filter_that_can_find_nothing_is_an_error(filled, match, message):
    with pytest.raises(XqgError, match=message):
        filled.search(X[None], 10, [match])


def test_filters_on_an_empty_collection_find_nothing(store):
    store.create(4, "cosine", METADATA)
    assert store.search(X[None], 10, [FieldMatch("kind", ("x",))]) == [[]]


def test_deletion_takes_the_passages_named_and_no_others(filled):
    filled.delete(["a", "unknown", "c"])
    filled.delete([])
    assert stored_ids(filled) == ["b", "d", "e"]


def test_a_query_of_the_wrong_size_is_an_error(filled):
    with pytest.raises(StoreError):
        filled.search(array(1, 0, 0)[None], 1)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (array(1, 2, 3), "'bad' has vectors of 3 numbers"),
        (array(1, float("nan"), 0, 0), "'bad' has a vector with NaN"),
        (np.zeros((0, 4)), r"'bad' has vectors of shape \(0, 4\)"),
        (np.eye(4)[:2], "'bad' has 2 rows; expected one"),
    ],
    ids=["size", "nan", "no rows", "rows"],
)
def test_a_wrong_vector_is_refused_and_harms_nothing(filled, rows, message):
    with pytest.raises(StoreError, match=message):
        filled.upsert([make_point("good"), make_point("bad", rows)])
    assert "bad" not in stored_ids(filled)
    filled.close()
    assert ids(filled.search(X[None], 1)[0]) == ["a"]


def test_stale_chunks_go_and_others_stay(store):
    store.create(4, "cosine", {})
    chunks = [("A#1", "A", "new"), ("A#2", "A", "old"), ("A#3", "A", ""), ("B", "B", "old"), ("C#1", "C", "old")]
    others = [("A#4", "A#4", "of its own")]
    for name, document, hash_ in [*chunks, *others]:
        store.upsert([make_point(name, document_id=document, document_hash=hash_, chunks=3 if "#" in name else 1)])
    delete_stale_chunks(store, {"A": "new", "B": "old", "unknown": "old"})
    assert stored_ids(store) == ["A#1", "A#4", "B", "C#1"]


@pytest.mark.parametrize(("before", "after"), [(1, 3), (40, 1), (40, 3), (3, 40), (40, 39)])
def test_a_document_that_changed_leaves_nothing_of_its_old_self(store, before, after):
    def chunks(count, hash_):
        names = ["D"] if count == 1 else [f"D#{number + 1}" for number in range(count)]
        return [make_point(name, document_id="D", document_hash=hash_, chunks=count) for name in names]

    store.create(4, "cosine", {})
    store.upsert([*chunks(before, "old"), make_point("E")])
    store.upsert(chunks(after, "new"))
    delete_stale_chunks(store, {"D": "new"})
    assert stored_ids(store) == sorted([*(point.passage.id for point in chunks(after, "new")), "E"])


def test_no_documents_delete_nothing(filled):
    delete_stale_chunks(filled, {})
    assert stored_ids(filled) == ["a", "b", "c", "d", "e"]


def test_points_by_id_with_vectors(filled):
    points = list(filled.points(["d", "unknown", "a"], with_vectors=True))
    assert [point.passage.id for point in points] == ["d", "a"]
    assert points[0].rows.dtype == np.float32
    assert points[0].rows == pytest.approx(np.array([[0, 0, 1, 0]]), abs=1e-6), "cosine vectors come back at length 1"
    assert points[0].entry == make_point("d", metadata={"year": "2020", "tags": ["p", "q"]}, title="T").entry


def test_all_points_without_vectors(filled):
    points = list(filled.points())
    assert [point.passage.id for point in points] == sorted("abcde", key=point_id)
    assert all(point.rows is None for point in points)
    assert list(filled.points([])) == []


def test_dot_keeps_vectors_as_they_are(store):
    store.create(2, "dot", {})
    store.upsert([make_point("a", array(0.1, -7.25))])
    (point,) = store.points(with_vectors=True)
    assert (point.rows == array(0.1, -7.25)[None]).all()


def test_every_script_comes_back_as_it_was(store):
    store.create(4, "cosine", {})
    point = make_point(
        "文書 🦀\u200d/معرّف#2",
        array(0, 1, 0, 0),
        queries={"ar": ("ما هذا؟", "أين؟"), "ja": ("これは何ですか。",), "fr": ("où ça ?",)},
        metadata={"キー": "値", "مفتاح": ["🦀", {"é": None}], "": 0, "n": 2**53, "f": 0.1, "line": "a\nb\t\u2028"},
        text="النص العربي\r\n日本語の文章 👩‍👩‍👧 e\u0301 \x00",
        title="العنوان",
        language="ar",
        document_id="文書 🦀\u200d/معرّف",
        document_hash="h",
        chunk=2,
        chunks=3,
    )
    store.upsert([point])
    (back,) = store.points([point.passage.id], with_vectors=True)
    assert back.passage == point.passage
    assert back.entry == point.entry
    assert list(back.entry.texts.queries) == ["ar", "ja", "fr"]
    delete_stale_chunks(store, {"文書 🦀\u200d/معرّف": "h2"})
    assert stored_ids(store) == []


def test_bulk_load_stores_as_ever(store):
    store.create(4, "cosine", {"a": 1})
    with store.bulk_load():
        store.upsert([make_point("a"), make_point("b", array(0, 1, 0, 0))])
        store.write_metadata({"a": 2})
        assert store.describe().metadata == {"a": 2}
    assert store.describe() == Collection(4, "cosine", 2, {"a": 2})
    assert ids(store.search(Y[None], 1)[0]) == ["b"]


def test_an_error_in_a_bulk_load_comes_out_as_it_is(store):
    store.create(4, "cosine", {})
    with pytest.raises(ZeroDivisionError), store.bulk_load():
        store.upsert([make_point("a")])
        raise ZeroDivisionError
    assert store.describe() == Collection(4, "cosine", 1, {})
