"""The store on a Qdrant server, over REST or gRPC."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from qdrant_client import QdrantClient, models

from xqg.errors import StoreError
from xqg.protocols import Collection, Point
from xqg.records import FieldMatch, Hit, LedgerEntry, Vectors, point_id
from xqg.settings import StoreSettings
from xqg.stores.payload import AUGMENTED, DOCUMENT_ID, KEY, entry_from_payload, to_hits, to_point
from xqg.stores.server_calls import ExistingCollectionError, MissingCollectionError, check_done
from xqg.stores.server_connection import ServerConnection
from xqg.stores.server_indexing import own_metadata, restore_indexing
from xqg.stores.server_layout import read_collection, to_vectors_config
from xqg.stores.server_requests import POINTS_AT_ONCE, split_points, to_filter, to_stale_selectors

QUERIES_AT_ONCE = 64
"""Queries searched with one request."""


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

    def describe(self) -> Collection | None:
        """The collection as it is, or None if there is none."""
        client = self._client()
        try:
            info = self._info()
            points = self._call("count the points", lambda: client.count(self._collection, exact=True)).count
        except MissingCollectionError:
            return None
        if AUGMENTED in own_metadata(info.config.metadata):
            raise StoreError(
                f"The collection {self._collection!r} has the payloads of other software: `xqg augment` made it",
                "asked for one that `xqg ingest` made",
                "To change it, run `xqg augment` again with --update",
            )
        return read_collection(self._collection, info, points)

    def create(self, dimension: int, distance: str, metadata: Mapping[str, Any], multivector: bool = False) -> None:
        """Make the collection, empty, with an index on the document ids.

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
            if tries == 1 or found is None or replace(found, most_rows=None) != wanted:
                raise
        self._writable = wanted
        self._index_documents()

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
        for part in split_points(points, collection, self._settings.max_request_bytes):
            self._update("store points", partial(client.upsert, self._collection, part, wait=True))

    def delete_stale_chunks(self, documents: Mapping[str, str]) -> None:
        """Delete the chunks of these documents (id to ``document_hash``) that have another document hash."""
        client = self._client()
        for selector in to_stale_selectors(documents):
            self._update("delete old chunks", partial(client.delete, self._collection, selector, wait=True))

    def search(
        self, vectors: Vectors, limit: int, filters: Sequence[FieldMatch] = (), exact: bool = False
    ) -> list[list[Hit]]:
        """The nearest passages of each query vector, best first, at most ``limit`` each.

        :param vectors: shape (queries, dimension).
        :param exact: look at every point instead of the approximate index.
        """
        client = self._client()
        if any(not match.values for match in filters):
            return [[] for _ in vectors]  # no value can equal one of none
        condition, parameters = to_filter(filters), models.SearchParams(exact=exact)
        rows: list[list[Hit]] = []
        numbers = np.asarray(vectors, dtype=np.float32).tolist()
        for start in range(0, len(numbers), QUERIES_AT_ONCE):
            requests = [
                models.QueryRequest(query=vector, limit=limit, filter=condition, params=parameters, with_payload=True)
                for vector in numbers[start : start + QUERIES_AT_ONCE]
            ]
            answers = self._call("search", partial(client.query_batch_points, self._collection, requests))
            rows += [to_hits(answer.points) for answer in answers]
        return rows

    def points(self, passage_ids: Sequence[str] | None = None, with_vectors: bool = False) -> Iterator[Point]:
        """The stored points with these ids (in their order, unknown ones left out); None means all, by point id."""
        if passage_ids is None:
            return self._all_points(with_vectors)
        found = self._retrieve(passage_ids, with_payload=True, with_vectors=with_vectors)
        return (to_point(record.payload, record.vector) for _, record in found)

    @contextmanager
    def bulk_load(self) -> Iterator[None]:
        """Nothing: a server indexes while it is written to; but an index that is missing is made first."""
        self._open_to_write()
        self._index_documents()
        yield

    def close(self) -> None:
        """Release the connections; calling it twice does nothing."""
        self._connection.close()
        self._writable = None

    def _client(self) -> QdrantClient:
        return self._connection.client()

    def _info(self) -> models.CollectionInfo:
        client = self._client()
        return self._call("look at the collection", lambda: client.get_collection(self._collection))

    def _open_to_write(self) -> Collection:
        """What the collection takes, looked up once; mends what an older version may have left."""
        if self._writable is None:
            info = self._info()
            restore_indexing(self._client(), self._collection, self._call, info)
            self._writable = read_collection(self._collection, info, 0)
        return self._writable

    def _index_documents(self) -> None:
        index = partial(
            self._client().create_payload_index,
            self._collection,
            DOCUMENT_ID,
            models.PayloadSchemaType.KEYWORD,
            wait=True,
        )
        self._update("index the document ids", index)

    def _update(self, asked: str, operation: Callable[[], models.UpdateResult]) -> None:
        self._call(asked, lambda: check_done(operation()))

    def _retrieve(
        self, passage_ids: Sequence[str], with_payload: bool | list[str], with_vectors: bool
    ) -> Iterator[tuple[str, models.Record]]:
        client = self._client()
        for start in range(0, len(passage_ids), POINTS_AT_ONCE):
            page = passage_ids[start : start + POINTS_AT_ONCE]
            ids: list[Any] = [point_id(passage_id) for passage_id in page]
            read = partial(client.retrieve, self._collection, ids, with_payload=with_payload, with_vectors=with_vectors)
            records = {str(record.id): record for record in self._call("read points", read)}
            for passage_id in page:
                record = records.get(point_id(passage_id))
                if record is not None:
                    yield passage_id, record

    def _all_points(self, with_vectors: bool) -> Iterator[Point]:
        client = self._client()
        offset: Any = None
        while True:
            scroll = partial(
                client.scroll, self._collection, limit=POINTS_AT_ONCE, offset=offset, with_vectors=with_vectors
            )
            records, offset = self._call("read points", scroll)
            yield from (to_point(record.payload, record.vector) for record in records)
            if offset is None:
                return
