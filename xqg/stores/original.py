"""The collection that an augmented one was made from: only read, to be compared with what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from xqg.errors import StoreError
from xqg.metadata import check_metadata
from xqg.protocols import Collection, Point
from xqg.records import LedgerEntry, Texts
from xqg.settings import StoreSettings
from xqg.stores.augmented import Augmented, AugmentedStore, augmented_from
from xqg.stores.foreign import ForeignServer


class OriginalStore(AugmentedStore):
    """A `VectorStore` that searches the source of an augmented collection, and tells of its passages what that knows.

    It has the passages that both hold, with no queries. The encoder is the one that the augmented collection names.
    """

    def __init__(self, server: ForeignServer, block: Augmented, twin: AugmentedStore) -> None:
        super().__init__(server, block.source, block)
        self._twin = twin

    def describe(self) -> Collection | None:
        """The source as it is, with the encoder of the augmented collection."""
        found, twin = super().describe(), self._twin.describe()
        if found is None or twin is None:
            return None
        check_metadata(twin.metadata, self._name)
        settings = {"encoder": twin.metadata["settings"]["encoder"], "generator": None}
        return replace(found, metadata={"encoder": twin.metadata.get("encoder"), "settings": settings})

    def ledger(self, passage_ids: Sequence[str]) -> dict[str, LedgerEntry]:
        """What is known of those of the passages that are stored; the others are left out."""
        return {key: _bare(entry) for key, entry in self._twin.ledger(passage_ids).items()}

    def points(self, passage_ids: Sequence[str] | None = None, with_vectors: bool = False) -> Iterator[Point]:
        """The points that the augmented collection has too, without vectors; None means all."""
        return (replace(point, entry=_bare(point.entry)) for point in self._twin.points(passage_ids))

    def create(self, dimension: int, distance: str, metadata: Mapping[str, Any], multivector: bool = False) -> None:
        """:raises StoreError: always."""
        raise _only_read(self._name)

    def write_metadata(self, metadata: Mapping[str, Any]) -> None:
        """:raises StoreError: always."""
        raise _only_read(self._name)

    def upsert(self, points: Sequence[Point]) -> None:
        """:raises StoreError: always."""
        raise _only_read(self._name)

    def delete(self, ids: Sequence[int | str]) -> None:
        """:raises StoreError: always."""
        raise _only_read(self._name)


def open_original(settings: StoreSettings, augmented: str) -> OriginalStore | None:
    """The source ``settings.collection`` of the collection ``augmented``; None where it is not its source."""
    server = ForeignServer(settings)
    shape = server.shape(augmented)
    block = None if shape is None else augmented_from(shape.metadata)
    if block is None or block.source != settings.collection:
        server.close()
        return None
    return OriginalStore(server, block, AugmentedStore(server, augmented, block))


def _bare(entry: LedgerEntry) -> LedgerEntry:
    return replace(entry, texts=Texts())


def _only_read(name: str) -> StoreError:
    return StoreError(
        f"Collection {name!r} is the source of an augmented one", "asked to write to it", "It is only read"
    )
