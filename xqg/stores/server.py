"""The store on a Qdrant server, over REST or gRPC."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from qdrant_client import QdrantClient, models

from xqg.chunks import Chunk, find_stale
from xqg.errors import StoreError
from xqg.protocols import Collection, Point
from xqg.records import FieldMatch, Hit, LedgerEntry, Vectors, point_id
from xqg.settings import StoreSettings
from xqg.stores.limits import Limits, in_parts, read_limits
from xqg.stores.payload import (
    AUGMENTED,
    DOCUMENT_HASH,
    DOCUMENT_ID,
    KEY,
    entry_from_payload,
    filter_paths,
    to_hits,
    to_point,
)
from xqg.stores.server_calls import ExistingCollectionError, MissingCollectionError, check_done
from xqg.stores.server_claim import claim, claimed_by
from xqg.stores.server_connection import ServerConnection
from xqg.stores.server_indexes import PayloadIndexes, parse_index
from xqg.stores.server_indexing import own_metadata, restore_indexing
from xqg.stores.server_layout import read_collection, to_vectors_config
from xqg.stores.server_requests import split_points
from xqg.stores.server_search import ServerSearch

INDEXED_FIELDS = ((DOCUMENT_ID, "keyword"), ("language", "keyword"))
"""Fields beside the metadata that filters ask for."""


class ServerStore:
    """A collection, or an alias of one, on a Qdrant server of version 1.16 or newer.

    Nothing is sent before the first call. Every call is tried again as `xqg.errors.retry` says.

    :param sleep: replaces `time.sleep` between tries, for tests.
    """

    def __init__(self, settings: StoreSettings, sleep: Callable[[float], None] | None = None) -> None:
        self._settings = settings
        self._collection = settings.collection
        self._connection = ServerConnection(settings, sleep)
        self._call = self._connection.calls(self._collection)
        self._writable: Collection | None = None  # what it takes; None: not looked up yet
        self._told: models.CollectionInfo | None = None
        self._payload_indexes: PayloadIndexes | None = None

    def describe(self) -> Collection | None:
        """The collection as it is, or None if there is none."""
        client = self._client()
        try:
            info = self._info()
            points = info.points_count or 0
            if self._limits().exact:
                points = self._call("count the points", lambda: client.count(self._collection, exact=True)).count
        except MissingCollectionError:
            return None
        if AUGMENTED in own_metadata(info.config.metadata):
            raise StoreError(
                f"The collection {self._collection!r} has the payloads of other software: `xqg augment` made it",
                "asked for one that `xqg ingest` made",
                "To change it, run `xqg augment` again with --update",
            )
        if points == 1 and not own_metadata(info.config.metadata):
            # a run that was killed while it took the collection may have left its claim
            points -= claimed_by(client, self._call, self._collection) is not None
        return read_collection(self._collection, info, points)

    def create(self, dimension: int, distance: str, metadata: Mapping[str, Any], multivector: bool = False) -> None:
        """Make the collection, empty; one that is there, empty and nobody's, is taken with its own configuration.

        :param multivector: its points have one row or more each, instead of exactly one.
        :raises StoreError: if it exists.
        """
        client, wanted = self._client(), Collection(dimension, distance, 0, dict(metadata), multivector)
        tries = 0

        def make() -> None:
            nonlocal tries
            tries += 1
            client.create_collection(
                self._collection,
                vectors_config=to_vectors_config(dimension, distance, multivector),
                metadata={KEY: dict(metadata)},
            )

        try:
            self._call("create the collection", make)
        except ExistingCollectionError:
            # after a lost answer the second try meets what the first one made
            found = self.describe()
            if found is not None and replace(found, most_rows=None) == replace(wanted, metadata={}):
                claim(client, self._call, self._collection, metadata, self._info)
            elif tries == 1 or found is None or replace(found, most_rows=None) != wanted:
                raise
        self._writable = wanted
        self._info()  # with the limits that the server gives to new collections

    def write_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Replace xqg's metadata of the collection; that of others stays (the server merges by key)."""
        client, own = self._client(), {KEY: dict(metadata)}
        self._open_to_write()
        self._call("write metadata", lambda: client.update_collection(self._collection, metadata=own))

    def ledger(self, passage_ids: Sequence[str]) -> dict[str, LedgerEntry]:
        """What is known of those of the passages that are stored; the others are left out."""
        found = self._retrieve(passage_ids, with_payload=[KEY], with_vectors=False)
        return {passage_id: entry_from_payload(record.payload) for passage_id, record in found}

    def upsert(self, points: Sequence[Point]) -> None:
        """Store the points, idempotent by `point_id`; returns when the server has applied all of them."""
        if not points:
            return
        client, collection = self._client(), self._open_to_write()
        self._indexes().offer_metadata((point.passage.metadata for point in points), lambda key: filter_paths(key)[-1])

        def send(part: list[models.PointStruct]) -> None:
            self._update("store points", partial(client.upsert, self._collection, part, wait=True))

        at_once = self._limits().writes
        for rows in split_points(points, collection, self._settings.max_request_bytes, at_once):
            for _ in in_parts(rows, at_once, send):
                pass

    def delete_stale_chunks(self, documents: Mapping[str, str]) -> None:
        """Delete the chunks of these documents (id to ``document_hash``) that have another document hash.

        They are found and deleted by their ids, for strict mode may refuse to delete by fields.
        """
        self.delete(find_stale(documents, self._known_chunks))

    def delete(self, passage_ids: Sequence[str]) -> None:
        """Delete these passages; those that are not there do not matter."""
        client, ids = self._client(), [point_id(passage_id) for passage_id in passage_ids]

        def send(part: list[Any]) -> None:
            selector = models.PointIdsList(points=part)
            self._update("delete points", partial(client.delete, self._collection, selector, wait=True))

        for _ in in_parts(ids, self._limits().writes if ids else 1, send):
            pass

    def index_fields(self, fields: Sequence[str]) -> None:
        """Index these fields, each ``KEY:TYPE``. :raises StoreError: if there is another, or room for none."""
        self._open_to_write()
        for key, kind in [parse_index(field) for field in fields]:
            self._indexes().make(filter_paths(key)[0], kind)

    def search(
        self, vectors: Vectors, limit: int, filters: Sequence[FieldMatch] = (), exact: bool = False
    ) -> list[list[Hit]]:
        """The nearest passages of each query vector, best first, at most ``limit`` each.

        :param vectors: shape (queries, dimension).
        :param exact: look at every point instead of the approximate index.
        """
        search = ServerSearch(self._client(), self._call, self._collection, self._known_info, filter_paths)
        return [to_hits(points) for points in search(vectors, limit, filters, exact)]

    def points(self, passage_ids: Sequence[str] | None = None, with_vectors: bool = False) -> Iterator[Point]:
        """The stored points with these ids (in their order, unknown ones left out); None means all, by point id."""
        if passage_ids is None:
            return self._all_points(with_vectors)
        found = self._retrieve(passage_ids, with_payload=True, with_vectors=with_vectors)
        return (to_point(record.payload, record.vector) for _, record in found)

    @contextmanager
    def bulk_load(self) -> Iterator[None]:
        """Nothing: a server indexes while it is written to; but the fields of passages get an index first."""
        self._open_to_write()
        self._indexes().offer(INDEXED_FIELDS)
        yield

    def close(self) -> None:
        """Release the connections; calling it twice does nothing."""
        self._connection.close()
        self._writable = self._told = self._payload_indexes = None

    def _client(self) -> QdrantClient:
        return self._connection.client()

    def _info(self) -> models.CollectionInfo:
        client = self._client()
        self._told = self._call("look at the collection", lambda: client.get_collection(self._collection))
        return self._told

    def _known_info(self, again: bool = False) -> models.CollectionInfo:
        """The collection as it was when it was looked at last. :param again: look now."""
        return self._info() if again or self._told is None else self._told

    def _limits(self) -> Limits:
        return read_limits(self._known_info())

    def _open_to_write(self) -> Collection:
        """What the collection takes, looked up once; mends what an older version may have left."""
        if self._writable is None:
            info = self._info()
            restore_indexing(self._client(), self._collection, self._call, info)
            self._writable = read_collection(self._collection, info, 0)
        return self._writable

    def _indexes(self) -> PayloadIndexes:
        if self._payload_indexes is None:
            self._payload_indexes = PayloadIndexes(self._client(), self._call, self._collection, self._known_info)
        return self._payload_indexes

    def _known_chunks(self, passage_ids: Sequence[str]) -> Iterator[Chunk]:
        fields = ["id", DOCUMENT_ID, "chunks", DOCUMENT_HASH]
        for _, record in self._retrieve(passage_ids, with_payload=fields, with_vectors=False):
            payload = record.payload or {}
            own = payload.get(KEY) or {}
            yield Chunk(payload["id"], payload[DOCUMENT_ID], payload["chunks"], own.get("document_hash", ""))

    def _update(self, asked: str, operation: Callable[[], models.UpdateResult]) -> None:
        self._call(asked, lambda: check_done(operation()))

    def _retrieve(
        self, passage_ids: Sequence[str], with_payload: bool | list[str], with_vectors: bool
    ) -> Iterator[tuple[str, models.Record]]:
        client = self._client()

        def read(part: list[str]) -> list[tuple[str, models.Record]]:
            ids: list[Any] = [point_id(passage_id) for passage_id in part]
            retrieve = partial(
                client.retrieve, self._collection, ids, with_payload=with_payload, with_vectors=with_vectors
            )
            records = {str(record.id): record for record in self._call("read points", retrieve)}
            return [(name, records[key]) for name, key in zip(part, ids, strict=True) if key in records]

        if passage_ids:
            for found in in_parts(passage_ids, self._limits().lookups, read):
                yield from found

    def _all_points(self, with_vectors: bool) -> Iterator[Point]:
        client = self._client()
        offset: Any = None
        while True:
            scroll = partial(
                client.scroll, self._collection, limit=self._limits().page, offset=offset, with_vectors=with_vectors
            )
            records, offset = self._call("read points", scroll)
            yield from (to_point(record.payload, record.vector) for record in records)
            if offset is None:
                return
