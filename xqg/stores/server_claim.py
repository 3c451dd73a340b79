"""Taking a collection that somebody made for us, empty and with a configuration of their own (shards, quantisation).

Metadata are replaced, never compared, so two runs could both take it. A point can be inserted only where there is none:
the first run's point is the claim, and goes once the metadata say whose the collection is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qdrant_client import models

from xqg.errors import StoreError
from xqg.records import digest, point_id
from xqg.stores.payload import KEY
from xqg.stores.server import Server
from xqg.stores.server_calls import ExistingCollectionError, check_done

CLAIM = point_id("claim of the collection")


def claim(server: Server, name: str, metadata: Mapping[str, Any]) -> None:
    """Make ``metadata`` those of an empty collection without any of ours.

    :raises ExistingCollectionError: if another run has just made it its own.
    :raises StoreError: if another run with other metadata is about to.
    """
    client, mine = server.client(), digest(metadata)
    point = models.PointStruct(id=CLAIM, vector={}, payload={KEY: {"claim": mine}})
    unclaimed = models.Filter(must=[models.IsEmptyCondition(is_empty=models.PayloadField(key=KEY))])
    server.call(name, "claim it", lambda: check_done(client.upsert(name, [point], update_filter=unclaimed, wait=True)))
    if claimed_by(server, name) not in (None, mine):
        raise StoreError(
            f"Another run with other settings is just making {name!r} its own",
            "an empty collection without a claim",
            "Run again when it is done; if it was killed, make the collection anew",
        )
    try:
        if KEY in (server.look(name).config.metadata or {}):
            raise ExistingCollectionError(f"Another run has just made {name!r} its own")
        server.write_metadata(name, metadata)
    finally:
        server.delete(name, [CLAIM])


def claimed_by(server: Server, name: str) -> str | None:
    """Whose claim there is, as a digest of their metadata; None without one."""
    found = server.retrieve(name, [CLAIM]).get(CLAIM)
    return None if found is None else str(((found.payload or {}).get(KEY) or {}).get("claim"))
