from __future__ import annotations

import datetime
from dataclasses import replace

import numpy as np
import pytest

from tests.stores.samples import array, make_point
from xqg.errors import StoreError
from xqg.protocols import Point
from xqg.records import LedgerEntry, Passage, record_hash
from xqg.stores.payload import entry_from_payload, filter_key, from_payload, to_payload, to_point, to_vectors

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
ENTRY = LedgerEntry("r1", "c1", "g1", "f1", {"ja": ("押す？",), "ar": (), "fr": ("un ?", "deux ?")})


def test_layout_is_the_documented_one():
    assert to_payload(Point(PASSAGE, ENTRY)) == {
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
            "record_hash": "r1",
            "content_hash": "c1",
            "document_hash": "d9",
            "generation": "g1",
            "fingerprint": "f1",
        },
    }


def test_round_trip_keeps_everything_and_the_order_of_languages():
    passage, entry = from_payload(to_payload(Point(PASSAGE, ENTRY)))
    assert passage == PASSAGE
    assert entry == ENTRY
    assert list(entry.queries) == ["ja", "ar", "fr"]


def test_order_of_languages_survives_a_store_that_shuffles_objects():
    payload = to_payload(Point(PASSAGE, ENTRY))
    payload["xqg"]["queries"] = dict(sorted(payload["xqg"]["queries"].items()))
    assert list(entry_from_payload(payload).queries) == ["ja", "ar", "fr"]


def test_argument_is_not_shared_with_the_payload():
    payload = to_payload(Point(PASSAGE, ENTRY))
    payload["metadata"]["deep"]["tags"].append("new")
    assert PASSAGE.metadata["deep"]["tags"] == ["a", None, True]


def test_a_date_is_stored_as_text_and_keeps_the_record_hash():
    passage = replace(PASSAGE, metadata={"day": datetime.date(2024, 2, 29)})
    stored, _ = from_payload(to_payload(Point(passage, ENTRY)))
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
        ({"id": "a", "xqg": {"queries": {}}}, "'a' is damaged .*record_hash"),
        ({**to_payload(Point(PASSAGE, ENTRY)), "metadata": 3}, "'manual#2' is damaged"),
    ],
)
def test_a_payload_of_others_is_a_clear_error(payload, message):
    with pytest.raises(StoreError, match=message) as caught:
        from_payload(payload)
    assert "xqg did not write it" in str(caught.value)


def test_a_missing_text_is_damage():
    payload = to_payload(Point(PASSAGE, ENTRY))
    del payload["text"]
    with pytest.raises(StoreError, match=r"damaged .*text"):
        from_payload(payload)


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        (None, "no vector"),
        (array(1, float("nan")), "NaN or infinity"),
        (array(float("inf"), 0), "NaN or infinity"),
        (np.ones((2, 2), dtype=np.float32), r"shape \(2, 2\)"),
    ],
)
def test_vectors_that_break_a_ranking_are_refused(vector, message):
    with pytest.raises(StoreError, match=message):
        to_vectors(replace(make_point("a"), vector=vector), ())
    if vector is not None:
        with pytest.raises(StoreError, match=message):
            to_vectors(make_point("a", array(1, 0), by_language={"fr": vector}), ("fr",))


def test_vectors_are_lists_of_numbers_by_name():
    assert to_vectors(make_point("a", array(0.5, -2)), ()) == {"": [0.5, -2.0]}
    point = make_point("a", array(0.5, -2), by_language={"ja": array(0, 1), "fr": array(3, 0)})
    assert to_vectors(point, ("fr", "ja")) == {"": [0.5, -2.0], "fr": [3.0, 0.0], "ja": [0.0, 1.0]}


@pytest.mark.parametrize("languages", [(), ("fr",), ("fr", "ja", "de")])
def test_vectors_of_other_languages_than_the_collection_has(languages):
    point = make_point("a", by_language={"fr": array(1), "ja": array(1)})
    with pytest.raises(StoreError, match=r"'a' has vectors for fr, ja\. asked for (no language|fr|de, fr, ja),"):
        to_vectors(point, languages)


def test_a_point_is_read_with_one_vector_with_several_and_with_none():
    payload = to_payload(Point(PASSAGE, ENTRY))
    assert to_point(payload, None) == Point(PASSAGE, ENTRY)
    alone = to_point(payload, [0.5, -2])
    assert (alone.vector.tolist(), alone.vector.dtype, alone.by_language) == ([0.5, -2.0], np.float32, {})
    several = to_point(payload, {"ja": [0, 1], "": [0.5, -2], "fr": [3, 0]})
    assert several.vector.tolist() == [0.5, -2.0]
    assert {name: vector.tolist() for name, vector in several.by_language.items()} == {"fr": [3, 0], "ja": [0, 1]}


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("id", "id"),
        ("document_id", "document_id"),
        ("title", "title"),
        ("language", "language"),
        ("metadata.page", "metadata.page"),
        ("xqg.generation", "xqg.generation"),
        ("page", "metadata.page"),
        ("text", "metadata.text"),
        ("tags[]", "metadata.tags[]"),
        ("file name", 'metadata."file name"'),
        ("año", 'metadata."año"'),
    ],
)
def test_filter_keys(key, path):
    assert filter_key(key) == path
