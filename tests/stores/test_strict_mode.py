"""A collection in strict mode, as Qdrant Cloud and careful operators set it: its limits are read and obeyed."""

from __future__ import annotations

import numpy as np
import pytest

from tests.stores.samples import METADATA, array, make_point, make_store
from tests.stores.strict import StrictMode
from xqg.errors import StoreError
from xqg.ingest.removal import delete_stale_chunks
from xqg.records import FieldMatch
from xqg.stores.filters import read_date
from xqg.stores.server_calls import TooMuchAtOnceError
from xqg.stores.server_requests import in_parts

X, Y = np.eye(4, dtype=np.float32)[:2]

LIMITS = [
    {},
    {"unindexed_filtering_update": False},
    {"unindexed_filtering_retrieve": False},
    {"max_query_limit": 20},
    {"upsert_max_batchsize": 10},
    {"search_max_batchsize": 3},
    {"filter_max_conditions": 3},
    {"condition_max_size": 2},
    {"search_allow_exact": False},
    {"max_payload_index_count": 1},
    {"max_payload_index_count": 0},
    {"read_rate_limit": 7},
    {"write_rate_limit": 7},
]
ALL = {name: value for limit in LIMITS for name, value in limit.items()}


@pytest.fixture(params=[*LIMITS, {**ALL, "max_payload_index_count": 5}], ids=lambda limits: "+".join(limits) or "none")
def strict(request, wire):
    wire.strict = StrictMode({"enabled": True, **request.param})
    return request.param


def test_everything_works_within_each_limit(wire, strict):
    store = make_store(wire)
    store.create(4, "cosine", METADATA)
    points = [make_point(f"p{n:03}", array(1, n, 0, 0), {}, {"section": f"s{n % 2}"}) for n in range(150)]
    with store.bulk_load():
        store.upsert(points)
        store.upsert([make_point(f"d#{n + 1}", document_id="d", document_hash="old", chunks=60) for n in range(60)])
    again = make_store(wire)
    with again.bulk_load():
        delete_stale_chunks(again, {"d": "new", **{f"p{n:03}": "" for n in range(100)}})
    assert again.describe().points == 150
    assert len(again.ledger([f"p{n:03}" for n in range(150)])) == 150
    assert sorted(point.passage.id for point in again.points()) == [f"p{n:03}" for n in range(150)]
    hits = again.search(np.stack([Y] * 10), 100)
    assert [len(found) for found in hits] == [100] * 10
    assert [hit.passage.id for hit in hits[9]] == [f"p{n:03}" for n in range(149, 49, -1)]
    again.delete([f"p{n:03}" for n in range(100)])
    assert again.describe().points == 50


def test_filters_work_within_each_limit_but_where_no_index_may_be_made(wire, strict):
    store = make_store(wire)
    store.create(4, "cosine", METADATA)
    with store.bulk_load():
        store.upsert([make_point(f"p{n}", metadata={"section": "7", "page": n, "open": n == 1}) for n in range(5)])
    section, page = FieldMatch("section", ("7", 7)), FieldMatch("page", ("1", 1), "!=")
    for match in (section, page, FieldMatch("open", ("false", False))):
        (hits,) = make_store(wire).search(X[None], 5, [match])
        assert len(hits) == (5 if match.key == "section" else 4)


def test_exact_search_is_refused_with_the_way_out(wire):
    wire.strict = StrictMode({"enabled": True, "search_allow_exact": False})
    store = make_store(wire)
    store.create(4, "cosine", METADATA)
    with pytest.raises(StoreError, match=r"allows no exact search.*Drop --exact"):
        store.search(X[None], 1, exact=True)


def test_a_filter_without_an_index_says_how_to_make_one(wire):
    wire.strict = StrictMode({"enabled": True, "unindexed_filtering_retrieve": False})
    store = make_store(wire)
    store.create(4, "cosine", METADATA)
    store.upsert([make_point("a", metadata={"loc": {"page": 1}})])
    with pytest.raises(StoreError, match=r"--index loc\.page:float"):
        store.search(X[None], 1, [FieldMatch("loc.page", (1,))])
    store.index_fields(["loc.page:integer"])
    (hits,) = make_store(wire).search(X[None], 1, [FieldMatch("loc.page", ("1", 1))])
    assert [hit.passage.id for hit in hits] == ["a"]


def test_an_index_that_was_asked_for_comes_first_and_beyond_the_limit_is_an_error(wire):
    wire.strict = StrictMode({"enabled": True, "max_payload_index_count": 1})
    store = make_store(wire)
    store.create(4, "cosine", METADATA)
    store.index_fields(["year:integer"])
    with store.bulk_load():
        store.upsert([make_point("a", metadata={"year": 1, "kind": "x"})])
    assert wire.settings["docs"].payload_schema == {"metadata.year": "integer"}
    with pytest.raises(StoreError, match=r"allows 1 payload indexes.*metadata\.year"):
        store.index_fields(["kind:keyword"])
    with pytest.raises(StoreError, match="has an index of type integer"):
        store.index_fields(["year:keyword"])


def test_metadata_gets_indexes_by_the_kind_of_its_values(wire, made):
    metadata = {
        "a": "x",
        "b": 1,
        "c": 0.5,
        "d": True,
        "e": ["p", "q"],
        "f": {"g": 1},
        "h": None,
        "i": "x" * 300,
        "j": "2024-02-01",
    }
    made.upsert([make_point("a", metadata=metadata)])
    schema = wire.settings["docs"].payload_schema
    kinds = {"a": "keyword", "b": "float", "c": "float", "d": "bool", "e": "keyword", "j": "datetime"}
    assert schema == {f"metadata.{key}": kind for key, kind in kinds.items()}
    wire.requests.clear()
    made.upsert([make_point("b", metadata=metadata)])
    assert wire.named("index") == []


def test_days_are_compared_and_equal_within_strict_mode(wire):
    wire.strict = StrictMode({"enabled": True, "unindexed_filtering_retrieve": False})
    store = make_store(wire)
    store.create(4, "cosine", METADATA)
    days = {"a": "2024-01-31", "b": "2024-02-01", "c": "2024-02-01T00:00:00Z"}
    store.upsert([make_point(name, metadata={"day": day}) for name, day in days.items()])
    for match, expected in [
        (FieldMatch("day", ("2024-02-01",), ">="), ["b", "c"]),
        (FieldMatch("day", ("2024-02-01",)), ["b", "c"]),
        (FieldMatch("day", ("2024-02-01",), "!="), ["a"]),
    ]:
        (hits,) = store.search(X[None], 5, [match])
        assert sorted(hit.passage.id for hit in hits) == expected


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-02-01", "2024-02-01T00:00:00+00:00"),
        ("2024-02-01T10:00:00Z", "2024-02-01T10:00:00+00:00"),
        ("2024-02-01 10:00:00+02:00", "2024-02-01T10:00:00+02:00"),
        ("2024", None),
        ("20240201", None),
        ("2024-13-01", None),
        ("2024-02-01-draft", None),
        ("2024-02-01Tea", None),
    ],
)
def test_what_reads_as_a_date(text, moment):
    assert read_date(text) == moment


def test_no_more_than_a_few_keys_get_an_index_unasked(wire, made):
    made.upsert([make_point("a", metadata={f"k{n}": n for n in range(40)})])
    assert len(wire.settings["docs"].payload_schema) == 16


def test_limits_that_were_set_later_halve_the_request(wire, made):
    wire.settings["docs"].strict = StrictMode({"enabled": True, "upsert_max_batchsize": 10})
    made.upsert([make_point(f"p{n}") for n in range(32)])
    assert [len(request.body["points"]) for request in wire.named("PUT .*/points$")] == [32, 16, 8, 8, 16, 8, 8]
    assert made.describe().points == 32


def test_what_cannot_be_halved_is_an_error():
    def refuse(part):
        raise TooMuchAtOnceError("too large")

    with pytest.raises(TooMuchAtOnceError):
        list(in_parts([1, 2, 3], 3, refuse))


def test_a_rate_waits_as_long_as_the_server_says(wire):
    wire.strict = StrictMode({"enabled": True, "write_rate_limit": 10})
    pauses = []
    store = make_store(wire, sleep=pauses.append)
    store.create(4, "cosine", METADATA)
    store.upsert([make_point(f"p{n}") for n in range(30)])
    assert pauses == [7.0, 7.0]
