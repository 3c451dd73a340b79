"""What goes over the wire, and collections that others made."""

from __future__ import annotations

import pytest
from qdrant_client import models

from tests.stores.samples import METADATA, array, make_point, make_store
from tests.stores.wire import Fault
from xqg.errors import StoreError
from xqg.ingest.removal import delete_stale_chunks
from xqg.protocols import Collection
from xqg.records import point_id
from xqg.stores.payload import to_payload

UPSERT = "^PUT .*/points$"

OLD = make_point("old")
DOT_3 = models.VectorParams(size=3, distance=models.Distance.DOT)


def test_parts_stay_under_the_limit_of_points(wire, made):
    made.upsert([make_point(str(number)) for number in range(600)])
    assert [len(request.body["points"]) for request in wire.named(UPSERT)] == [256, 256, 88]


def test_parts_stay_under_the_limit_of_bytes(wire):
    store = make_store(wire, max_request_bytes=2**16)
    store.create(4, "cosine", {})
    # 10,000 characters of three bytes each: two go into 64 KiB, three do not
    store.upsert([make_point(str(number), text="本" * 10_000) for number in range(7)])
    requests = wire.named(UPSERT)
    assert [len(request.body["points"]) for request in requests] == [2, 2, 2, 1]
    assert all(60_000 < request.size <= 2**16 for request in requests[:3])
    assert store.describe().points == 7


def test_a_point_above_the_limit_is_named(wire):
    store = make_store(wire, max_request_bytes=2**16)
    store.create(4, "cosine", {})
    with pytest.raises(StoreError, match=r"'big' takes 7\d{4} bytes.*at most 65536"):
        store.upsert([make_point("big", text="x" * 70_000)])
    assert wire.named(UPSERT) == []


def test_one_deletion_for_many_documents(wire, made):
    made.upsert([make_point(str(number), document_hash="old") for number in range(300)])
    wire.requests.clear()
    delete_stale_chunks(made, {str(number): "new" for number in range(80)})
    names = [request.name.rpartition("/")[2] for request in wire.requests]
    assert names == ["points", "delete"], "found by id, deleted by id"
    delete_stale_chunks(made, {str(number): "new" for number in range(300)})
    assert [len(request.body["points"]) for request in wire.named("delete")] == [80, 220]
    assert made.describe().points == 0


def test_no_documents_send_no_deletion(wire, made):
    delete_stale_chunks(made, {})
    assert wire.requests == []


def test_the_ledger_asks_for_our_key_only(wire, made):
    made.upsert([make_point("a")])
    made.ledger(["a"])
    (request,) = wire.named("^POST .*/points$")
    assert request.body["with_payload"] == ["xqg"]


def test_exact_is_passed_on(wire, made):
    made.search(array(1, 0, 0, 0)[None], 1)
    made.search(array(1, 0, 0, 0)[None], 1, exact=True)
    searches = [request.body["searches"][0]["params"]["exact"] for request in wire.named("query")]
    assert searches == [False, True]


def test_hits_leave_the_generated_texts_out(wire, made):
    made.upsert([make_point("a", translations={"fr": ("texte",)})])
    wire.requests.clear()
    ((hit,),) = made.search(array(1, 0, 0, 0)[None], 1)
    (request,) = wire.named("query")
    assert request.body["searches"][0]["with_payload"] == {"exclude": ["xqg.queries", "xqg.translations"]}
    assert hit.passage == make_point("a").passage
    assert made.ledger(["a"])["a"].texts.translations == {"fr": ("texte",)}


def test_one_request_in_five_fails_and_all_is_there(wire, made):
    points = [
        make_point(f"p{number}", array(number, 1, 0, 0), queries={"fr": (f"question {number}",)})
        for number in range(100)
    ]
    wire.faults.every(5, Fault.UNAVAILABLE, Fault.DROP, Fault.APPLY_THEN_DROP, Fault.DROP_HALFWAY, Fault.WAIT_TIMEOUT)
    for start in range(0, 100, 4):
        made.upsert(points[start : start + 4])
    assert len(set(wire.faults.served)) == 5
    ledger = made.ledger([point.passage.id for point in points])
    assert ledger == {point.passage.id: point.entry for point in points}
    wire.faults.clear()
    assert made.describe() == Collection(4, "cosine", 100, METADATA)
    assert [point.passage for point in made.points([f"p{number}" for number in range(100)])] == [
        point.passage for point in points
    ]


def test_a_plain_vector_has_neither_name_nor_rows_on_the_wire(wire, server_store):
    server_store.create(4, "cosine", {})
    server_store.upsert([make_point("a")])
    (create,) = wire.named("^PUT .*/docs$")
    (upsert,) = wire.named(UPSERT)
    assert create.body["vectors"] == {"size": 4, "distance": "Cosine"}
    assert upsert.body["points"][0]["vector"] == [1, 0, 0, 0]


def test_a_multivector_is_asked_for_with_its_index_and_type(wire, server_store):
    server_store.create(4, "cosine", {}, multivector=True)
    server_store.upsert([make_point("a")])
    (create,) = wire.named("^PUT .*/docs$")
    (upsert,) = wire.named(UPSERT)
    assert create.body["vectors"] == {
        "size": 4,
        "distance": "Cosine",
        "multivector_config": {"comparator": "max_sim"},
        "hnsw_config": {"m": 32},
        "datatype": "float16",
    }
    assert upsert.body["points"][0]["vector"] == [[1, 0, 0, 0]]


def test_what_a_collection_takes_is_looked_up_once(wire, server_store):
    make_store(wire).create(4, "cosine", {}, multivector=True)
    wire.requests.clear()
    for name in ("a", "b"):
        server_store.upsert([make_point(name)])
    assert [request.name for request in wire.requests] == [
        "GET /",
        "GET /collections/docs",
        "PUT /collections/docs/points",
        "PUT /collections/docs/points",
    ]


@pytest.mark.parametrize(
    ("strict", "expected"),
    [
        (None, None),
        ({"enabled": True}, None),
        ({"enabled": True, "multivector_config": {"": {"max_vectors": 5}}}, 5),
        ({"enabled": True, "multivector_config": {"other": {"max_vectors": 5}}}, None),
        ({"enabled": False, "multivector_config": {"": {"max_vectors": 5}}}, None),
    ],
)
def test_strict_mode_bounds_the_rows(wire, server_store, strict, expected):
    server_store.create(4, "cosine", {}, multivector=True)
    wire.settings["docs"].asked["strict_mode_config"] = strict
    assert server_store.describe() == Collection(4, "cosine", 0, {}, multivector=True, most_rows=expected)


def test_metadata_of_others_stays(wire, made):
    wire.local.update_collection("docs", metadata={"owner": "someone"})
    made.write_metadata({"x": 1})
    assert wire.local.get_collection("docs").config.metadata == {"owner": "someone", "xqg": {"x": 1}}
    assert made.describe().metadata == {"x": 1}


def test_a_collection_of_others_has_no_metadata_of_ours(wire, server_store):
    wire.local.create_collection("docs", models.VectorParams(size=3, distance=models.Distance.DOT))
    assert server_store.describe() == Collection(3, "dot", 0, {})


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ({"own": DOT_3}, "named vectors only, or none"),
        ({}, "named vectors only, or none"),
        (models.VectorParams(size=3, distance=models.Distance.EUCLID), "the distance euclid"),
    ],
)
def test_a_collection_of_another_kind(wire, server_store, vectors, message):
    wire.local.create_collection("docs", vectors)
    with pytest.raises(StoreError, match=message):
        server_store.describe()


def test_what_an_older_version_stored_by_language_can_be_read(wire, server_store):
    wire.local.create_collection("docs", {"": DOT_3, "fr": DOT_3}, metadata={"xqg": METADATA})
    old = models.PointStruct(id=point_id("old"), vector={"": [1, 0, 0], "fr": [0, 1, 0]}, payload=to_payload(OLD)[0])
    wire.local.upsert("docs", [old])
    assert server_store.describe() == Collection(3, "dot", 1, METADATA)
    (point,) = server_store.points(with_vectors=True)
    assert (point.passage, point.rows.tolist()) == (OLD.passage, [[1, 0, 0]])
    assert [hit.score for hit in server_store.search(array(2, 1, 0)[None], 2)[0]] == [2]


def test_points_of_others_are_a_clear_error(wire, made):
    point = models.PointStruct(id=7, vector=[1, 0, 0, 0], payload={"page_content": "x"})
    wire.local.upsert("docs", [point])
    with pytest.raises(StoreError, match="xqg did not write it"):
        made.search(array(1, 0, 0, 0)[None], 1)


def test_an_alias_stands_for_its_collection(wire, made):
    made.upsert([make_point("a")])
    alias = models.CreateAlias(collection_name="docs", alias_name="live")
    wire.local.update_collection_aliases([models.CreateAliasOperation(create_alias=alias)])
    store = make_store(wire, collection="live")
    with store.bulk_load():
        store.upsert([make_point("b")])
    store.write_metadata({"via": "alias"})
    assert made.describe() == store.describe() == Collection(4, "cosine", 2, {"via": "alias"})


def test_names_with_signs_reach_the_right_collection(wire):
    store = make_store(wire, collection="été #1 50%")
    store.create(4, "cosine", {})
    assert wire.local.collection_exists("été #1 50%")
    assert store.describe() == Collection(4, "cosine", 0, {})
