"""The stores under test: embedded, over the wire of `tests.stores.wire`, and a real server where there is one."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stores.samples import without_sleep
from tests.stores.wire import WireServer
from xqg.protocols import VectorStore
from xqg.settings import StoreSettings
from xqg.stores.edge import EdgeStore
from xqg.stores.server import ServerStore


@pytest.fixture
def wire() -> Iterator[WireServer]:
    with WireServer() as server:
        yield server


@pytest.fixture
def server_store(wire: WireServer) -> Iterator[ServerStore]:
    store = ServerStore(StoreSettings(spec=wire.url, collection="docs"), sleep=without_sleep)
    yield store
    store.close()


def _real_store(grpc: bool) -> Iterator[ServerStore]:
    url = os.environ.get("QDRANT_URL")
    if not url:
        pytest.skip("QDRANT_URL is not set")
    settings = StoreSettings(
        spec=url, collection=f"xqg-test-{uuid.uuid4()}", grpc=grpc, api_key=os.environ.get("QDRANT_API_KEY")
    )
    store = ServerStore(settings)
    try:
        yield store
    finally:
        store._client().delete_collection(settings.collection)
        store.close()


@pytest.fixture(
    params=[
        "edge",
        "wire",
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
    elif request.param == "wire":
        yield request.getfixturevalue("server_store")
    else:
        yield from _real_store(grpc=request.param == "grpc")
