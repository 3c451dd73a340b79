from __future__ import annotations

import datetime
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from tests.stores.samples import array, make_point
from xqg.errors import SettingsError, StoreError
from xqg.protocols import Point
from xqg.records import LedgerEntry, Passage, Texts, record_hash
from xqg.stores.payload import OWN, read_point, to_payload, to_vector

PASSAGE = Passage(
    id="manual#2",
    text="Press the button. 押す 🔘",
    title="Manual",
    language="en",
    metadata={"page": 7, "deep": {"tags": ["a", None, True]}},
    document_id="manual",
    chunk=2,
    chunks=3,
    document_hash="d9",
)
ENTRY = LedgerEntry(
    "r1", "c1", "g1", "f1", Texts({"ja": ("押す？",), "ar": (), "fr": ("un ?", "deux ?")}, {"fr": ("Appuyez.",)})
)


def read(payload, vectors=None):
    """As a client's record is read."""
    return read_point(SimpleNamespace(id="", payload=payload, vector=vectors))


def test_layout_is_the_documented_one():
    assert to_payload(Point(PASSAGE, ENTRY))[0] == {
        "id": "manual#2",
        "document_id": "manual",
        "chunk": 2,
        "chunks": 3,
        "text": "Press the button. 押す 🔘",
        "title": "Manual",
        "language": "en",
        "metadata": {"page": 7, "deep": {"tags": ["a", None, True]}},
        "xqg": {
            "queries": {"ja": ["押す？"], "ar": [], "fr": ["un ?", "deux ?"]},
            "languages": ["ja", "ar", "fr"],
            "translations": {"fr": ["Appuyez."]},
            "record_hash": "r1",
            "content_hash": "c1",
            "document_hash": "d9",
            "generation": "g1",
            "fingerprint": "f1",
        },
    }


def test_round_trip_keeps_everything_and_the_order_of_languages():
    point = read(to_payload(Point(PASSAGE, ENTRY))[0])
    assert point == Point(PASSAGE, ENTRY)
    assert list(point.entry.texts.queries) == ["ja", "ar", "fr"]


def test_order_of_languages_survives_a_store_that_shuffles_objects():
    payload = to_payload(Point(PASSAGE, ENTRY))[0]
    payload["xqg"]["queries"] = dict(sorted(payload["xqg"]["queries"].items()))
    assert list(read(payload).entry.texts.queries) == ["ja", "ar", "fr"]


def test_argument_is_not_shared_with_the_payload():
    payload = to_payload(Point(PASSAGE, ENTRY))[0]
    payload["metadata"]["deep"]["tags"].append("new")
    assert PASSAGE.metadata["deep"]["tags"] == ["a", None, True]


def test_a_date_is_stored_as_text_and_keeps_the_record_hash():
    passage = replace(PASSAGE, metadata={"day": datetime.date(2024, 2, 29)})
    stored = read(to_payload(Point(passage, ENTRY))[0]).passage
    assert stored.metadata == {"day": "2024-02-29"}
    assert record_hash(stored) == record_hash(passage)


@pytest.mark.parametrize(
    "passage",
    [replace(PASSAGE, metadata={"score": float("nan")}), replace(PASSAGE, text="half \ud83d of a pair")],
    ids=["nan", "surrogate"],
)
def test_what_no_store_can_keep_is_refused_by_name(passage):
    with pytest.raises(StoreError, match="'manual#2' cannot be stored"):
        to_payload(Point(passage, ENTRY))


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (None, "a point has no key 'xqg'"),
        ({"page_content": "x", "metadata": {}}, "a point has no key 'xqg'"),
        ({"id": "a", "xqg": "yes"}, "'a' has no key 'xqg'"),
        ({"id": "a", "xqg": {"queries": {}}}, "'a' is damaged .*text"),
        ({**to_payload(Point(PASSAGE, ENTRY))[0], "metadata": 3}, "'manual#2' is damaged"),
    ],
)
def test_a_payload_of_others_is_a_clear_error(payload, message):
    with pytest.raises(StoreError, match=message) as caught:
        read(payload)
    assert "xqg did not write it" in str(caught.value)


def test_a_missing_text_is_damage():
    payload = to_payload(Point(PASSAGE, ENTRY))[0]
    del payload["text"]
    with pytest.raises(StoreError, match=r"damaged .*text"):
        read(payload)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (None, "no vector"),
        (array(1, 0), r"vectors of shape \(2,\)"),
        (np.ones((0, 2)), r"vectors of shape \(0, 2\)"),
        (np.ones((1, 2, 2)), r"vectors of shape \(1, 2, 2\)"),
        (np.ones((1, 3)), "'a' has vectors of 3 numbers; expected rows of 2"),
        (np.array([[1, 0], [1, float("nan")]]), "NaN or infinity"),
        (np.array([[float("inf"), 0]]), "NaN or infinity"),
    ],
)
def test_rows_that_break_a_ranking_are_refused(rows, message):
    point = replace(make_point("a"), rows=rows)
    with pytest.raises(StoreError, match=message):
        to_vector(point, 2, True)


def test_only_a_multivector_takes_several_rows():
    two = make_point("a", np.array([[0.5, -2], [3, 0]], dtype=np.float32))
    assert to_vector(two, 2, True) == [[0.5, -2.0], [3.0, 0.0]]
    with pytest.raises(StoreError, match=r"'a' has 2 rows; expected one row of 2"):
        to_vector(two, 2, False)
    assert to_vector(make_point("a", array(0.5, -2)), 2, False) == [0.5, -2.0]


@pytest.mark.parametrize(
    ("vectors", "expected"),
    [
        ([0.5, -2], [[0.5, -2.0]]),
        ([[0.5, -2], [3, 0]], [[0.5, -2.0], [3.0, 0.0]]),
        ({"ja": [0, 1], "": [0.5, -2]}, [[0.5, -2.0]]),
    ],
    ids=["plain", "rows", "named vectors of an older version beside it"],
)
def test_a_point_is_read_with_its_rows(vectors, expected):
    rows = read(to_payload(Point(PASSAGE, ENTRY))[0], vectors).rows
    assert (rows.tolist(), rows.dtype) == (expected, np.float32)


@pytest.mark.parametrize("vectors", [None, {}, {"ja": [0, 1]}])
def test_a_point_is_read_without_a_vector(vectors):
    assert read(to_payload(Point(PASSAGE, ENTRY))[0], vectors) == Point(PASSAGE, ENTRY)


@pytest.mark.parametrize(
    ("key", "paths"),
    [
        ("id", ["id"]),
        ("document_id", ["document_id"]),
        ("title", ["title"]),
        ("language", ["language"]),
        ("metadata.page", ["metadata.page", "metadata.metadata.page", 'metadata."metadata.page"']),
        ("xqg.generation", ["xqg.generation"]),
        ("page", ["metadata.page"]),
        ("text", ["metadata.text"]),
        ("tags[]", ["metadata.tags[]"]),
        ("file name", ['metadata."file name"']),
        ("año", ['metadata."año"']),
        ("loc.page no", ['metadata.loc."page no"', 'metadata."loc.page no"']),
    ],
)
def test_filter_keys(key, paths):
    assert list(OWN.filter_paths(key)) == paths


def test_a_key_that_has_no_path_is_said():
    with pytest.raises(SettingsError, match="no way to name"):
        OWN.filter_paths('a "quoted" key')
