"""Taking a collection that somebody made for us, empty and with a configuration of their own (shards, quantisation).

Metadata are replaced, never compared, so two runs could both take it. A point can be inserted only where there is none:
the first run's point is the claim, and goes once the metadata say whose the collection is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from qdrant_client import QdrantClient, models

from xqg.errors import StoreError
from xqg.records import digest, point_id
from xqg.stores.payload import KEY
from xqg.stores.server_calls import ExistingCollectionError, ServerCalls, check_done

CLAIM = point_id("claim of the collection")


def claim(
    client: QdrantClient,
    call: ServerCalls,
    collection: str,
    metadata: Mapping[str, Any],
    look: Callable[[], models.CollectionInfo],
) -> None:
    """Make ``metadata`` those of an empty collection without any of ours.

    :raises ExistingCollectionError: if another run has just made it its own.
    :raises StoreError: if another run with other metadata is about to.
    """
    mine = digest(metadata)
    point = models.PointStruct(id=CLAIM, vector={}, payload={KEY: {"claim": mine}})
    unclaimed = models.Filter(must=[models.IsEmptyCondition(is_empty=models.PayloadField(key=KEY))])
    call("claim it", lambda: check_done(client.upsert(collection, [point], update_filter=unclaimed, wait=True)))
    holder = claimed_by(client, call, collection)
    if holder not in (None, mine):
        raise StoreError(
            f"Another run is just making {collection!r} its own, with other settings",
            "asked to fill an empty collection",
            "Run again when it is done; if it was killed, make the collection anew",
        )
    try:
        if KEY in (look().config.metadata or {}):
            raise ExistingCollectionError(f"Another run has just made {collection!r} its own")
        call("write metadata", lambda: client.update_collection(collection, metadata={KEY: dict(metadata)}))
    finally:
        selector = models.PointIdsList(points=[CLAIM])
        call("take the claim back", lambda: check_done(client.delete(collection, selector, wait=True)))


def claimed_by(client: QdrantClient, call: ServerCalls, collection: str) -> str | None:
    """Whose claim there is, as a digest of their metadata; None without one."""
    found = call("look for a claim", lambda: client.retrieve(collection, [CLAIM], with_payload=True))
    return None if not found else str(((found[0].payload or {}).get(KEY) or {}).get("claim"))
