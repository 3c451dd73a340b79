"""The server store's own affairs: retries, limits, keys, versions, and indexing put off."""

from __future__ import annotations

import logging

import grpc
import pytest
from qdrant_client import models

from tests.stores.samples import METADATA, array, make_point, without_sleep
from tests.stores.wire import Fault, WireServer
from xqg.errors import SettingsError, StoreError, StoreUnreachableError, TransientError
from xqg.protocols import Collection
from xqg.settings import StoreSettings
from xqg.stores import server_indexing
from xqg.stores.server import ServerStore
from xqg.stores.server_calls import ServerCalls, check_done

SECRET = "s3cr3t-k3y"

LOST_ANSWERS = [Fault.DROP_HALFWAY, Fault.APPLY_THEN_DROP]
PASSING = [Fault.UNAVAILABLE, Fault.RATE_LIMIT, Fault.RATE_LIMIT_DATE, Fault.RATE_LIMIT_BARE, Fault.DROP, *LOST_ANSWERS]

UPSERT = "^PUT .*/points$"


def make_store(server, sleep=without_sleep, **settings):
    return ServerStore(StoreSettings(**{"spec": server.url, "collection": "docs", **settings}), sleep=sleep)


def stored(store):
    return sorted(point.passage.id for point in store.points())


@pytest.fixture
def made(wire, server_store):
    """The store with an empty collection of four dimensions."""
    server_store.create(4, "cosine", METADATA)
    wire.requests.clear()
    return server_store


def test_a_new_store_sends_nothing(wire):
    make_store(wire).close()
    assert wire.requests == []


@pytest.mark.parametrize("fault", PASSING)
def test_a_failure_that_passes_is_tried_again(wire, made, fault):
    calls = {
        "GET /collections": lambda: made.describe(),
        "PUT .*/points$": lambda: made.upsert([make_point("a"), make_point("b", document_hash="old")]),
        "PATCH": lambda: made.write_metadata({"x": 1}),
        "POST .*/points$": lambda: made.ledger(["a"]),
        "scroll": lambda: list(made.points()),
        "query": lambda: made.search(array(1, 0, 0, 0)[None], 1),
        "delete": lambda: made.delete_stale_chunks({"b": "new"}),
    }
    for pattern, call in calls.items():
        wire.requests.clear()
        wire.faults.then(fault, fault, only=pattern)
        call()
        assert len(wire.named(pattern)) == 3
    assert stored(made) == ["a"]
    assert made.describe() == Collection(4, "cosine", 1, {"x": 1})


@pytest.mark.parametrize("fault", PASSING)
def test_creating_survives_every_lost_request(wire, server_store, fault):
    wire.faults.then(fault, fault, only="^PUT .*/docs$")
    server_store.create(4, "cosine", METADATA)
    assert server_store.describe() == Collection(4, "cosine", 0, METADATA)
    assert "document_id" in wire.settings["docs"].payload_schema


def test_a_retry_does_not_take_over_the_collection_of_another(wire, server_store):
    other = make_store(wire)
    other.create(4, "cosine", {"of": "another"})
    wire.faults.then(Fault.UNAVAILABLE, only="^PUT .*/docs$")
    with pytest.raises(StoreError, match="already has a collection or alias 'docs'"):
        server_store.create(4, "cosine", METADATA)
    assert other.describe().metadata == {"of": "another"}


def test_an_answer_that_never_comes(wire):
    wire.hang_seconds = 1.3
    store = make_store(wire, timeout_seconds=1)
    store.create(4, "cosine", {})
    wire.faults.then(Fault.HANG, only=UPSERT)
    store.upsert([make_point("a")])
    assert len(wire.named(UPSERT)) == 2
    assert stored(store) == ["a"]


def test_retry_after_is_obeyed(wire):
    waits = []
    store = make_store(wire, sleep=waits.append)
    wire.faults.then(Fault.RATE_LIMIT)
    store.describe()
    assert waits == [3]


def test_a_server_that_stays_away(wire, made):
    wire.faults.every(1, Fault.UNAVAILABLE)
    with pytest.raises(StoreUnreachableError, match="did not answer in 8 tries: status 503: out of service") as caught:
        made.upsert([make_point("a")])
    assert caught.value.exit_code == 5
    assert len(wire.requests) == 8


def test_no_server_at_all():
    with WireServer() as server:
        url = server.url
    store = ServerStore(StoreSettings(spec=url, collection="docs"), sleep=without_sleep)
    with pytest.raises(StoreUnreachableError, match=f"{url} did not answer"):
        store.describe()


def test_accepted_is_not_done(wire, made):
    wire.faults.then(Fault.WAIT_TIMEOUT, Fault.WAIT_TIMEOUT, only=UPSERT)
    made.upsert([make_point("a")])
    assert len(wire.named(UPSERT)) == 3
    wire.faults.every(1, Fault.WAIT_TIMEOUT, only=UPSERT)
    with pytest.raises(StoreUnreachableError, match="only wait_timeout"):
        made.upsert([make_point("b")])


def test_only_completed_is_done():
    check_done(models.UpdateResult(status=models.UpdateStatus.COMPLETED))
    for status in (models.UpdateStatus.ACKNOWLEDGED, models.UpdateStatus.WAIT_TIMEOUT):
        with pytest.raises(TransientError):
            check_done(models.UpdateResult(status=status))


def test_a_refusal_is_not_tried_again(wire, made):
    with pytest.raises(StoreError) as caught:
        made.search(array(1, 0, 0)[None], 1)
    assert not isinstance(caught.value, StoreUnreachableError)
    assert len(wire.requests) == 1


def test_a_web_page_is_no_qdrant(wire, server_store):
    wire.faults.every(1, Fault.WEB_PAGE)
    with pytest.raises(StoreError, match="answered with a web page"):
        server_store.describe()
    assert len(wire.requests) == 1


def test_a_wrong_path_is_no_missing_collection(wire):
    with pytest.raises(StoreError, match="There is no Qdrant server at"):
        make_store(wire, spec=f"{wire.url}/wrong").describe()


@pytest.mark.parametrize("version", ["1.15.5", "0.9.0", "1.9.4-dev"])
def test_an_old_server_is_refused(version):
    with WireServer(version=version) as server, pytest.raises(StoreError, match=f"is version {version}.*1.16"):
        make_store(server).describe()


@pytest.mark.parametrize("version", ["1.16.0", "1.21.0-dev", "2.0.0", "nightly"])
def test_a_new_server_is_taken(version):
    with WireServer(version=version) as server:
        assert make_store(server).describe() is None


# ---- the API key ------------------------------------------------------------------------------------------


def test_the_key_opens_the_server():
    with WireServer(api_key=SECRET) as server:
        store = make_store(server, api_key=SECRET)
        store.create(4, "cosine", {})
        assert store.describe() == Collection(4, "cosine", 0, {})


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
@pytest.mark.parametrize("key", [None, SECRET])
def test_a_refused_key_is_named_but_not_shown(key, caplog):
    caplog.set_level(logging.DEBUG)
    with WireServer(api_key="other") as server:
        with pytest.raises(StoreError, match="QDRANT_API_KEY") as caught:
            make_store(server, api_key=key).describe()
        assert len(server.requests) == 1, "a refusal is no failure that passes"
    assert SECRET not in str(caught.value)
    assert SECRET not in caplog.text


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
def test_the_key_is_in_no_error_no_log_and_no_traceback(caplog):
    """Also where the server quotes it; a logged traceback shows causes too."""
    caplog.set_level(logging.DEBUG)
    with WireServer(api_key=SECRET) as server:
        store = make_store(server, api_key=SECRET)
        store.create(4, "cosine", {})
        server.faults.then(Fault.FORBIDDEN)
        with pytest.raises(StoreError, match=r"\*\*\* may not do that"):
            store.describe()
        for fault in (Fault.UNAVAILABLE, Fault.DROP, Fault.DROP_HALFWAY, Fault.RATE_LIMIT_DATE):
            server.faults.every(1, fault)
            try:
                store.upsert([make_point("a")])
            except StoreUnreachableError:
                logging.getLogger("test").exception("failed")
        server.faults.clear()
        assert SECRET in server.requests[0].headers["api-key"]
    assert "did not answer in 8 tries" in caplog.text
    assert SECRET not in caplog.text
    assert SECRET not in repr(store.__dict__["_settings"])


@pytest.mark.parametrize("key", ["with blank", "line\nend", "clé", ""])
def test_a_key_that_cannot_travel_is_refused_unquoted(wire, key):
    with pytest.raises(SettingsError, match="QDRANT_API_KEY") as caught:
        make_store(wire, api_key=key)
    assert key == "" or key not in str(caught.value)


def test_login_data_in_the_address_is_not_shown(wire):
    wire.faults.every(1, Fault.UNAVAILABLE)
    url = wire.url.replace("http://", "http://user:hunter2@")
    with pytest.raises(StoreUnreachableError) as caught:
        make_store(wire, spec=url).describe()
    assert "hunter2" not in str(caught.value)


# ---- requests ---------------------------------------------------------------------------------------------


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
    made.delete_stale_chunks({str(number): "new" for number in range(100)})
    assert [request.name for request in wire.requests] == ["POST /collections/docs/points/delete"]
    made.delete_stale_chunks({str(number): "new" for number in range(300)})
    assert len(wire.requests) == 3


def test_no_documents_send_no_deletion(wire, made):
    made.delete_stale_chunks({})
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


def test_one_request_in_five_fails_and_all_is_there(wire, made):
    points = [
        make_point(f"p{number}", array(number, 1, 0, 0), queries={"fr": (f"question {number}",)})
        for number in range(100)
    ]
    wire.faults.every(5, Fault.UNAVAILABLE, Fault.DROP, Fault.APPLY_THEN_DROP, Fault.DROP_HALFWAY, Fault.WAIT_TIMEOUT)
    with made.bulk_load():
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
    assert wire.settings["docs"].indexing_threshold == 20_000


# ---- collections ------------------------------------------------------------------------------------------


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
        ({"own": models.VectorParams(size=3, distance=models.Distance.DOT)}, "named, multiple or no vectors"),
        (models.VectorParams(size=3, distance=models.Distance.EUCLID), "the distance Euclid"),
    ],
)
def test_a_collection_of_another_kind(wire, server_store, vectors, message):
    wire.local.create_collection("docs", vectors)
    with pytest.raises(StoreError, match=message):
        server_store.describe()


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


@pytest.mark.parametrize("name", [".", ".."])
def test_names_that_would_be_other_paths(wire, name):
    with pytest.raises(SettingsError, match="no name for a collection"):
        make_store(wire, collection=name)


def test_names_with_signs_reach_the_right_collection(wire):
    store = make_store(wire, collection="été #1 50%")
    store.create(4, "cosine", {})
    assert wire.local.collection_exists("été #1 50%")
    assert store.describe() == Collection(4, "cosine", 0, {})


# ---- indexing put off -------------------------------------------------------------------------------------


def remembered(wire):
    return wire.local.get_collection("docs").config.metadata["xqg"]


def test_bulk_load_turns_indexing_off_and_on(wire, made):
    with made.bulk_load():
        assert wire.settings["docs"].indexing_threshold == 0
        assert remembered(wire) == {**METADATA, "indexing_threshold_before": 20_000}
        assert made.describe().metadata == METADATA
        made.write_metadata({"x": 1})
        assert remembered(wire) == {"x": 1, "indexing_threshold_before": 20_000}
    assert wire.threshold_changes == [0, 20_000]
    assert remembered(wire) == {"x": 1}


def test_the_threshold_is_remembered_before_it_changes(wire, made):
    wire.faults.then(None, Fault.FORBIDDEN, only="^PATCH")
    with pytest.raises(StoreError, match="403"), made.bulk_load():
        pytest.fail("not reached")
    assert remembered(wire)["indexing_threshold_before"] == 20_000
    assert wire.threshold_changes == []


def test_an_error_turns_indexing_on_again(wire, made):
    with pytest.raises(KeyboardInterrupt), made.bulk_load():
        raise KeyboardInterrupt
    assert wire.settings["docs"].indexing_threshold == 20_000
    assert remembered(wire) == METADATA


def test_after_a_crash_the_original_threshold_comes_back(wire, made, caplog):
    with pytest.raises(ZeroDivisionError), made.bulk_load():
        wire.faults.every(1, Fault.UNAVAILABLE)  # the server goes away and nothing can be restored
        raise ZeroDivisionError
    assert "Indexing stays off until the next ingestion" in caplog.text
    wire.faults.clear()
    assert wire.settings["docs"].indexing_threshold == 0
    with make_store(wire).bulk_load():
        assert remembered(wire)["indexing_threshold_before"] == 20_000
    assert wire.settings["docs"].indexing_threshold == 20_000
    assert remembered(wire) == METADATA


def test_the_servers_own_default_comes_back_as_a_number(wire, made):
    wire.settings["docs"].indexing_threshold = None
    with made.bulk_load():
        assert remembered(wire)["indexing_threshold_before"] is None
    assert wire.settings["docs"].indexing_threshold == 10_000


def test_two_loads_at_once_end_with_the_original(wire, made):
    with made.bulk_load(), make_store(wire).bulk_load():
        pass
    assert wire.settings["docs"].indexing_threshold == 20_000
    assert remembered(wire) == METADATA


def test_waiting_for_the_index_is_bounded(wire, made, caplog, monkeypatch):
    monkeypatch.setattr(server_indexing, "POLLS", 3)
    with made.bulk_load():
        wire.settings["docs"].status = "yellow"
        wire.requests.clear()
    assert len(wire.named("^GET /collections/docs$")) == 1 + 3
    assert "docs is still being indexed" in caplog.text


def test_document_ids_are_indexed_before_a_load(wire, made):
    wire.settings["docs"].payload_schema.clear()  # as a crash right after creating leaves it
    with made.bulk_load():
        assert wire.settings["docs"].payload_schema == {"document_id": "keyword"}


# ---- gRPC -------------------------------------------------------------------------------------------------


class GrpcFailure(grpc.RpcError, grpc.Call):
    """An error as a channel raises it."""

    def __init__(self, code):
        self._code = code

    def code(self):
        return self._code

    def details(self):
        return f"detail with {SECRET}"

    initial_metadata = trailing_metadata = is_active = time_remaining = cancel = add_callback = None


@pytest.mark.parametrize("name", ["UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "INTERNAL"])
def test_grpc_failures_that_pass(name):
    outcomes = [GrpcFailure(grpc.StatusCode[name])] * 7

    def operation():
        if outcomes:
            raise outcomes.pop()
        return "done"

    call = ServerCalls("http://server:6333", "docs", SECRET, without_sleep)
    assert call("search", operation) == "done"
    outcomes += [GrpcFailure(grpc.StatusCode[name])] * 8
    with pytest.raises(StoreUnreachableError, match=rf"{name}: detail with \*\*\*"):
        call("search", operation)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("UNAUTHENTICATED", "QDRANT_API_KEY"),
        ("PERMISSION_DENIED", "QDRANT_API_KEY"),
        ("NOT_FOUND", "no collection 'docs'"),
        ("ALREADY_EXISTS", "already has a collection"),
        ("INVALID_ARGUMENT", r"refused \(400\): detail with \*\*\*"),
    ],
)
def test_grpc_failures_that_stay(name, message):
    tries = []

    def operation():
        tries.append(1)
        raise GrpcFailure(grpc.StatusCode[name])

    with pytest.raises(StoreError, match=message) as caught:
        ServerCalls("http://server:6333", "docs", SECRET, without_sleep)("search", operation)
    assert SECRET not in str(caught.value)
    assert len(tries) == 1
