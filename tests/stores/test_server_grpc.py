"""The same store over gRPC."""

from __future__ import annotations

import grpc
import pytest

from tests.stores.samples import make_point
from xqg.errors import StoreError, StoreUnreachableError

PASSING_CODES = ["UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "INTERNAL"]


@pytest.mark.parametrize("name", PASSING_CODES)
def test_grpc_failures_that_pass(grpc_server, grpc_store, name):
    grpc_store.create(4, "cosine", {})
    grpc_server.calls.clear()
    grpc_server.codes += [grpc.StatusCode[name]] * 7
    grpc_store.upsert([make_point("a")])
    assert grpc_server.calls == ["Upsert"] * 8
    grpc_server.codes += [grpc.StatusCode[name]] * 8
    with pytest.raises(StoreUnreachableError, match=f"{name}: by script"):
        grpc_store.upsert([make_point("a")])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("UNAUTHENTICATED", "QDRANT_API_KEY"),
        ("PERMISSION_DENIED", "QDRANT_API_KEY"),
        ("NOT_FOUND", "no collection 'docs'"),
        ("ALREADY_EXISTS", "already has a collection"),
        ("INVALID_ARGUMENT", r"refused \(400\): by script"),
    ],
)
def test_grpc_failures_that_stay(grpc_server, grpc_store, name, message):
    grpc_store.create(4, "cosine", {})
    grpc_server.calls.clear()
    grpc_server.codes.append(grpc.StatusCode[name])
    with pytest.raises(StoreError, match=message):
        grpc_store.ledger(["a"])
    assert grpc_server.calls == ["Get"]


def test_grpc_sends_nothing_over_rest(wire, grpc_store):
    grpc_store.create(4, "cosine", {})
    grpc_store.upsert([make_point("a")])
    assert wire.requests == []
