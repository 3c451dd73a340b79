"""Failures of the server and of the way to it: what is tried again, and what each one means."""

from __future__ import annotations

import pytest
from qdrant_client import models
from qdrant_client.http.exceptions import UnexpectedResponse

from tests.stores.samples import METADATA, array, make_point, make_store, without_sleep
from tests.stores.wire import Fault, WireServer
from xqg.errors import StoreError, StoreUnreachableError, TransientError
from xqg.ingest.removal import delete_stale_chunks
from xqg.protocols import Collection
from xqg.settings import StoreSettings
from xqg.stores.server import Server
from xqg.stores.server_calls import ExistingCollectionError, ServerCalls, check_done
from xqg.stores.server_store import ServerStore

LOST_ANSWERS = [Fault.DROP_HALFWAY, Fault.APPLY_THEN_DROP]
PASSING = [Fault.UNAVAILABLE, Fault.RATE_LIMIT, Fault.RATE_LIMIT_DATE, Fault.RATE_LIMIT_BARE, Fault.DROP, *LOST_ANSWERS]

UPSERT = "^PUT .*/points$"


def stored(store):
    return sorted(point.passage.id for point in store.points())


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
        "delete": lambda: delete_stale_chunks(made, {"b": "new"}),
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


def test_creating_a_multivector_survives_a_lost_answer(wire, server_store):
    wire.faults.then(Fault.APPLY_THEN_DROP, only="^PUT .*/docs$")
    server_store.create(4, "cosine", METADATA, multivector=True)
    assert server_store.describe() == Collection(4, "cosine", 0, METADATA, multivector=True)


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
    store = ServerStore(Server(StoreSettings(spec=url, collection="docs"), without_sleep), "docs")
    with pytest.raises(StoreUnreachableError, match=f"Nothing answers at {url}"):
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


def test_an_older_servers_way_to_say_that_a_collection_exists():
    def operation():
        raise UnexpectedResponse(
            400, "Bad Request", b'{"status": {"error": "Collection `docs` already exists!"}}', None
        )

    with pytest.raises(ExistingCollectionError):
        ServerCalls("http://server", None, without_sleep)("docs", "create", operation)
