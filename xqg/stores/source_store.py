"""Opening a server's collection to read from, in its layout, also the one that an augmented collection came from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from xqg.errors import StoreError
from xqg.metadata import check_metadata
from xqg.protocols import Collection, Point
from xqg.records import LedgerEntry, Texts
from xqg.settings import StoreSettings
from xqg.stores.augmented import Augmented, augmented_from
from xqg.stores.server import Server
from xqg.stores.server_store import ServerStore


class SourceStore(ServerStore):
    """The source of an augmented collection, to be compared with it: searched by its own vector, never written to.

    It has the passages that both hold, without texts, and the encoder that the augmented collection names.
    """

    def __init__(self, server: Server, block: Augmented, augmented: ServerStore) -> None:
        super().__init__(server, block.source, block)
        self._augmented = augmented

    def describe(self) -> Collection | None:
        """The source as it is, with the encoder of the augmented collection."""
        found, twin = super().describe(), self._augmented.describe()
        if found is None or twin is None:
            return None
        check_metadata(twin.metadata, self._name)
        settings = {"encoder": twin.metadata["settings"]["encoder"], "generator": None}
        return replace(found, metadata={"encoder": twin.metadata.get("encoder"), "settings": settings})

    def ledger(self, passage_ids: Sequence[str]) -> dict[str, LedgerEntry]:
        """What is known of those of the passages that are stored; the others are left out."""
        return {key: replace(entry, texts=Texts()) for key, entry in self._augmented.ledger(passage_ids).items()}

    def points(self, passage_ids: Sequence[str] | None = None, with_vectors: bool = False) -> Iterator[Point]:
        """The points that the augmented collection has too, without vectors; None means all."""
        found = self._augmented.points(passage_ids)
        return (replace(point, entry=replace(point.entry, texts=Texts())) for point in found)

    def _open_to_write(self) -> Collection:
        raise StoreError(f"Collection {self._name!r} is the source of an augmented one, which is only read")


def open_server_store(settings: StoreSettings, beside: str | None = None) -> ServerStore:
    """The store of a collection, to read from: one that `xqg augment` made, or the source of one, in its layout.

    :param beside: a collection that may have been augmented from this one.
    """
    server, name = Server(settings), settings.collection
    for other in (name, *([] if beside is None else [beside])):
        shape = server.shape(other)
        block = None if shape is None else augmented_from(shape.metadata)
        if block is not None and other == name:
            return ServerStore(server, name, block)
        if block is not None and block.source == name:
            return SourceStore(server, block, ServerStore(server, other, block))
    return ServerStore(server, name)
