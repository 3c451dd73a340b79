"""Giving a collection its index back: older versions turned it off for a bulk load, and a crash left it off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qdrant_client import QdrantClient
from qdrant_client.models import CollectionInfo, OptimizersConfigDiff

from xqg.stores.payload import KEY
from xqg.stores.server_calls import ServerCalls

THRESHOLD_BEFORE = "indexing_threshold_before"
"""In our metadata while indexing was put off: the value to go back to; null where the server's default held."""

DEFAULT_THRESHOLD = 10_000
"""Kilobytes; the server's default since 1.16 (DEFAULT_INDEXING_THRESHOLD_KB), for it takes no null back."""


def own_metadata(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """What is under our key in the metadata of a collection, without the threshold of an older version."""
    own = (metadata or {}).get(KEY)
    return {key: value for key, value in own.items() if key != THRESHOLD_BEFORE} if isinstance(own, Mapping) else {}


def restore_indexing(client: QdrantClient, collection: str, call: ServerCalls, info: CollectionInfo) -> None:
    """Set a remembered threshold again and forget it, in one step; does nothing where none is remembered."""
    own = (info.config.metadata or {}).get(KEY)
    if not isinstance(own, Mapping) or THRESHOLD_BEFORE not in own:
        return
    before = own[THRESHOLD_BEFORE]
    changes = OptimizersConfigDiff(indexing_threshold=DEFAULT_THRESHOLD if before is None else int(before))
    metadata = {KEY: own_metadata(info.config.metadata)}
    call(
        "turn on indexing",
        lambda: client.update_collection(collection, optimizers_config=changes, metadata=metadata),
    )
