"""Hand-made points: four passages on the axes of a space of four dimensions, and in several scripts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tests.stores.wire import WireServer
from xqg.protocols import Point
from xqg.records import LedgerEntry, Passage, Texts, Vectors, content_hash, record_hash
from xqg.settings import StoreSettings
from xqg.stores.server import Server
from xqg.stores.server_store import ServerStore

METADATA = {"encoder": {"name": "axes", "alpha": 0.2}, "generator": None, "languages": ["fr", "ja"], "版": "✓"}


def make_store(server: WireServer, sleep: Callable[[float], None] | None = None, **settings: Any) -> ServerStore:
    """A store of the collection "docs" on ``server`` that does not sleep between tries."""
    values = StoreSettings(**{"spec": server.url, "collection": "docs", **settings})
    return ServerStore(Server(values, without_sleep if sleep is None else sleep), values.collection)


def remembered(server: WireServer) -> dict[str, Any]:
    """All that the server keeps under our key in the metadata of "docs"."""
    return server.local.get_collection("docs").config.metadata["xqg"]


def without_sleep(seconds: float) -> None:
    """Stands in for `time.sleep`."""


def array(*numbers: float) -> Vectors:
    return np.array(numbers, dtype=np.float32)


def make_point(
    passage_id: str,
    rows: Vectors | None = None,
    queries: Mapping[str, tuple[str, ...]] | None = None,
    translations: Mapping[str, tuple[str, ...]] | None = None,
    metadata: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Point:
    """A point with its hashes; its text says its id unless ``fields`` give another. ``rows``: or the only one."""
    passage = Passage(
        id=passage_id, **{"text": f"text of {passage_id}", "document_id": passage_id, **fields}, metadata=metadata or {}
    )
    entry = LedgerEntry(
        record_hash=record_hash(passage),
        content_hash=content_hash(passage),
        generation="g1",
        fingerprint="f1",
        texts=Texts({"fr": (f"question {passage_id} ?",)} if queries is None else queries, translations or {}),
    )
    return Point(passage, entry, np.atleast_2d(array(1, 0, 0, 0) if rows is None else rows))
