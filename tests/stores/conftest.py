"""The stores under test: embedded, over the wire of `tests.stores.wire`, and a real server where there is one."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stores.samples import METADATA, make_store, without_sleep
from tests.stores.wire import WireServer
from tests.stores.wire_grpc import GrpcServer
from xqg.protocols import VectorStore
from xqg.settings import StoreSettings
from xqg.stores.edge import EdgeStore
from xqg.stores.server import Server
from xqg.stores.server_store import ServerStore


@pytest.fixture
def server_store(wire: WireServer) -> Iterator[ServerStore]:
    store = make_store(wire)
    yield store
    store.close()


@pytest.fixture
def made(wire: WireServer, server_store: ServerStore) -> ServerStore:
    """The store with an empty collection of four dimensions."""
    server_store.create(4, "cosine", METADATA)
    wire.requests.clear()
    return server_store


@pytest.fixture
def grpc_server(wire: WireServer) -> Iterator[GrpcServer]:
    with GrpcServer(wire) as server:
        yield server


@pytest.fixture
def grpc_store(wire: WireServer, grpc_server: GrpcServer) -> Iterator[ServerStore]:
    settings = StoreSettings(spec=wire.url, collection="docs", grpc=True, grpc_port=grpc_server.port)
    store = ServerStore(Server(settings, without_sleep), settings.collection)
    yield store
    store.close()


def _real_store(grpc: bool) -> Iterator[ServerStore]:
    url = os.environ.get("QDRANT_URL")
    if not url:
        pytest.skip("QDRANT_URL is not set")
    settings = StoreSettings(
        spec=url, collection=f"xqg-test-{uuid.uuid4()}", grpc=grpc, api_key=os.environ.get("QDRANT_API_KEY")
    )
    server = Server(settings)
    store = ServerStore(server, settings.collection)
    try:
        yield store
    finally:
        server.client().delete_collection(settings.collection)
        store.close()


@pytest.fixture(
    params=[
        "edge",
        "wire",
        "grpc wire",
        pytest.param("rest", marks=pytest.mark.qdrant),
        pytest.param("grpc", marks=pytest.mark.qdrant),
    ]
)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[VectorStore]:
    """An empty place for one collection, of every kind in turn."""
    if request.param == "edge":
        edge = EdgeStore(tmp_path / "stores", "docs")
        yield edge
        edge.close()
    elif request.param in ("wire", "grpc wire"):
        yield request.getfixturevalue("server_store" if request.param == "wire" else "grpc_store")
    else:
        yield from _real_store(grpc=request.param == "grpc")
