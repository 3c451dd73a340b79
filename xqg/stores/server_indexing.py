"""Putting off a server's indexing during a bulk load, such that no crash leaves it off for good."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from qdrant_client import QdrantClient
from qdrant_client.models import CollectionInfo, CollectionStatus, OptimizersConfigDiff

from xqg.errors import StoreError
from xqg.stores.payload import KEY
from xqg.stores.server_calls import ServerCalls

logger = logging.getLogger(__name__)

THRESHOLD_BEFORE = "indexing_threshold_before"
"""In our metadata while indexing is put off: the value to go back to; null where the server's default held."""

DEFAULT_THRESHOLD = 10_000
"""Kilobytes; the server's default since 1.16 (DEFAULT_INDEXING_THRESHOLD_KB), for it takes no null back."""

POLL_SECONDS = 2.0
POLLS = 150
"""Five minutes: the rest of the indexing goes on in the server without us."""


def own_metadata(info: CollectionInfo) -> dict[str, Any]:
    """All that is under our key in the metadata of a collection, our bookkeeping included."""
    own = (info.config.metadata or {}).get(KEY)
    return dict(own) if isinstance(own, Mapping) else {}


class IndexingPause:
    """Turns indexing off and on again in one collection of a server."""

    def __init__(
        self, client: QdrantClient, collection: str, call: ServerCalls, sleep: Callable[[float], None] | None
    ) -> None:
        self._client, self._collection, self._call = client, collection, call
        self._sleep = time.sleep if sleep is None else sleep

    @contextmanager
    def hold(self) -> Iterator[None]:
        """While inside, indexing is off; on leaving, also by an error, it goes on, and a run that went well waits."""
        self.begin()
        try:
            yield
        except BaseException:
            try:
                self.end()
            except StoreError as error:
                logger.warning("Indexing stays off until the next ingestion: %s", error)
            raise
        self.end()
        self.wait()

    def begin(self) -> None:
        """Remember the threshold in the collection, then set it to 0.

        Where a crash left a remembered one, that is the original: the present 0 is ours.
        """
        info = self._info()
        metadata = own_metadata(info)
        if THRESHOLD_BEFORE not in metadata:
            metadata[THRESHOLD_BEFORE] = info.config.optimizer_config.indexing_threshold
            self._update("remember the indexing threshold", metadata)
        self._update("put off indexing", None, threshold=0)

    def end(self) -> None:
        """Set the remembered threshold again and forget it."""
        metadata = own_metadata(self._info())
        if THRESHOLD_BEFORE not in metadata:
            return  # another writer that loaded at the same time has ended it
        before = metadata.pop(THRESHOLD_BEFORE)
        threshold = DEFAULT_THRESHOLD if before is None else int(before)
        self._update("turn on indexing", None, threshold=threshold)
        self._update("forget the indexing threshold", metadata)

    def wait(self) -> None:
        """Wait until the server has indexed everything, at most `POLLS` × `POLL_SECONDS`."""
        for _ in range(POLLS):
            if self._info().status == CollectionStatus.GREEN:
                return
            self._sleep(POLL_SECONDS)
        logger.warning("%s is still being indexed; searches are slower until that is done", self._collection)

    def _info(self) -> CollectionInfo:
        return self._call("look at the collection", lambda: self._client.get_collection(self._collection))

    def _update(self, asked: str, metadata: Mapping[str, Any] | None, threshold: int | None = None) -> None:
        optimizers = None if threshold is None else OptimizersConfigDiff(indexing_threshold=threshold)
        changes = None if metadata is None else {KEY: dict(metadata)}
        self._call(
            asked,
            lambda: self._client.update_collection(self._collection, optimizers_config=optimizers, metadata=changes),
        )
