"""The embedded store: Qdrant's own engine in this process, one folder for each collection."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import qdrant_edge as engine

from xqg.errors import SettingsError, StoreError
from xqg.folder_lock import FolderLock
from xqg.protocols import Collection, Point
from xqg.records import FieldMatch, Hit, LedgerEntry, Vectors, point_id
from xqg.stores.edge_engine import OPENING, any_of, create_shard, engine_errors, index_shard, to_filter
from xqg.stores.edge_files import (
    SHARD,
    Sidecar,
    collection_exists,
    lock_collection,
    read_sidecar,
    require_room,
    write_sidecar,
)
from xqg.stores.filters import Test, check_fields, is_hopeless
from xqg.stores.payload import KEY, OWN, read_entry, read_hits, read_point, to_payload, to_vector

logger = logging.getLogger(__name__)

PAGE = 256
"""Points read at once."""

QUERIES_AT_ONCE = 64
"""Queries searched at once; the engine holds the interpreter's lock while it works."""

FLUSH_SECONDS = 1.0
"""How often a bulk load flushes: a flush takes 4 ms on an idle disk and 100 ms on a busy one."""


class EdgeStore:
    """A collection in FOLDER/COLLECTION/; one process at a time can have it open.

    Nothing is opened before the first call that needs it, and after `close` the next call opens it again.
    """

    def __init__(self, folder: Path, collection: str) -> None:
        if collection in (".", ".."):
            raise SettingsError(f"{collection!r} is no name for a collection", "a folder's name")
        self._place = folder / collection
        self._collection = collection
        self._shard: engine.EdgeShard | None = None
        self._sidecar: Sidecar | None = None
        self._lock: FolderLock | None = None
        self._opening = threading.Lock()
        self._loading = False
        self._upserted = False
        self._flushed_at = 0.0

    def describe(self) -> Collection | None:
        """The collection as it is, or None if there is none; writes nothing."""
        if self._shard is None and not collection_exists(self._place):
            return None
        shard, sidecar = self._open()
        with engine_errors(self._place, "count the points"):
            points = shard.info().points_count
        return Collection(sidecar.dimension, sidecar.distance, points, dict(sidecar.metadata), sidecar.multivector)

    def create(self, dimension: int, distance: str, metadata: Mapping[str, Any], multivector: bool = False) -> None:
        """Make the collection, empty; one that a crash left half made is made anew.

        :param multivector: its points have one row or more each, instead of exactly one.
        :raises StoreError: if it exists.
        """
        with self._opening:
            exists = self._shard is not None or collection_exists(self._place)
            if not exists:
                self._hold()
                exists = collection_exists(self._place)  # made meanwhile by a process that has released it
                if exists:
                    self._let_go()
            if exists:
                raise StoreError(f"There already is a collection at {self._place}")
            sidecar = Sidecar(dimension, distance, metadata, multivector)
            with engine_errors(self._place, "create the collection"):
                create_shard(self._place, sidecar)

    def write_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Replace xqg's metadata of the collection, in one step."""
        _, sidecar = self._open()  # holding the folder's lock, so that no other process writes meanwhile
        changed = replace(sidecar, metadata=dict(metadata))
        write_sidecar(self._place, changed)
        self._sidecar = changed

    def ledger(self, passage_ids: Sequence[str]) -> dict[str, LedgerEntry]:
        """What is known of those of the passages that are stored; the others are left out."""
        found = self._retrieve(passage_ids, with_payload=[KEY], with_vector=False)
        payloads = {name: record.payload or {} for name, record in found}
        return {name: read_entry(payload.get(KEY, {}), payload) for name, payload in payloads.items()}

    def upsert(self, points: Sequence[Point]) -> None:
        """Store the points, idempotent by `point_id`; returns when they are searchable and logged.

        From then on a killed process loses nothing. A power cut loses nothing either, but for the last
        `FLUSH_SECONDS` of a `bulk_load`, which the next run finds missing and stores again.
        """
        if not points:
            return
        shard, sidecar = self._open()
        vectors = [to_vector(point, sidecar.dimension, sidecar.multivector) for point in points]
        rows = [
            engine.Point(id=point_id(point.passage.id), vector=vector, payload=to_payload(point)[0])
            for point, vector in zip(points, vectors, strict=True)
        ]
        require_room(self._place, sum(0 if point.rows is None else point.rows.nbytes for point in points))
        with engine_errors(self._place, "store points"):
            shard.update(engine.UpdateOperation.upsert_points(rows))
            self._upserted = True
            if not self._loading or time.monotonic() - self._flushed_at >= FLUSH_SECONDS:
                shard.flush()
                self._flushed_at = time.monotonic()

    def delete(self, passage_ids: Sequence[str]) -> None:
        """Delete these passages; those that are not there do not matter."""
        if not passage_ids:
            return
        shard, _ = self._open()
        with engine_errors(self._place, "delete passages"):
            shard.update(engine.UpdateOperation.delete_points([point_id(passage_id) for passage_id in passage_ids]))
            shard.flush()

    def index_fields(self, fields: Sequence[str]) -> None:
        """Nothing: the engine filters without an index, and its collections are small."""

    def search(
        self, vectors: Vectors, limit: int, filters: Sequence[FieldMatch] = (), exact: bool = False
    ) -> list[list[Hit]]:
        """The nearest passages of each query vector, best first; the parameters are those of `VectorStore.search`."""
        shard, _ = self._open()
        if is_hopeless(filters):
            return [[] for _ in vectors]
        rows: list[list[Hit]] = []
        condition = to_filter(filters)
        with engine_errors(self._place, "search"):
            parameters = engine.SearchParams(exact=exact)
            requests = [
                engine.QueryRequest(
                    limit=limit,
                    query=engine.Query.Nearest(vector),
                    filter=condition,
                    params=parameters,
                    with_payload=True,
                )
                for vector in np.asarray(vectors, dtype=np.float32).tolist()
            ]
            for start in range(0, len(requests), QUERIES_AT_ONCE):
                batch = engine.QueryBatchRequest(requests[start : start + QUERIES_AT_ONCE])
                rows += [read_hits(scored) for scored in shard.query_batch(batch)]
        if filters and not any(rows):
            check_fields(filters, OWN.filter_paths, self._exists)
        return rows

    def points(self, passage_ids: Sequence[str] | None = None, with_vectors: bool = False) -> Iterator[Point]:
        """The stored points with these ids (in their order, unknown ones left out); None means all, by point id."""
        if passage_ids is None:
            records = self._all_records(with_vectors)
        else:
            records = (record for _, record in self._retrieve(passage_ids, True, with_vectors))
        return map(read_point, records)

    @contextmanager
    def bulk_load(self) -> Iterator[None]:
        """On leaving, also by an error, index what was stored inside; the engine never does so by itself."""
        self._loading, self._upserted = True, False
        try:
            yield
        except BaseException:
            try:
                self._finish_load()
            except StoreError as error:
                logger.warning("The collection stays without an index: %s", error)
            raise
        self._finish_load()

    def close(self) -> None:
        """Release the folder; calling it twice does nothing."""
        with self._opening:
            shard, self._shard, self._sidecar = self._shard, None, None
            try:
                if shard is not None:
                    with engine_errors(self._place, "close the collection"):
                        try:
                            shard.flush()
                        finally:
                            shard.close()
            finally:
                self._let_go()

    def _open(self) -> tuple[engine.EdgeShard, Sidecar]:
        with self._opening:
            if self._shard is None or self._sidecar is None:
                if not collection_exists(self._place):
                    raise StoreError(f"There is no collection at {self._place}", remedy="Ingest first")
                self._hold()
                try:
                    # only behind the lock is the sidecar sure to stay as it is
                    self._sidecar = read_sidecar(self._place)
                    with engine_errors(self._place, OPENING):
                        self._shard = engine.EdgeShard.load(str(self._place / SHARD))
                except BaseException:
                    self._let_go()
                    raise
            return self._shard, self._sidecar

    def _hold(self) -> None:
        self._lock = lock_collection(self._place) if self._lock is None else self._lock

    def _let_go(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()

    def _exists(self, tests: list[Test]) -> bool:
        shard, _ = self._open()
        with engine_errors(self._place, "look for a field"):
            request = engine.ScrollRequest(limit=1, filter=any_of(tests), with_payload=False, with_vector=False)
            return bool(shard.scroll(request)[0])

    def _retrieve(
        self, passage_ids: Sequence[str], with_payload: bool | list[str], with_vector: bool
    ) -> Iterator[tuple[str, engine.Record]]:
        """Those of the points that are stored, with the ids of their passages, in their order."""
        shard, _ = self._open()
        for start in range(0, len(passage_ids), PAGE):
            keys = {name: point_id(name) for name in passage_ids[start : start + PAGE]}
            with engine_errors(self._place, "read points"):
                found = shard.retrieve(list(keys.values()), with_payload, with_vector)
            records = {str(record.id): record for record in found}
            yield from ((name, records[key]) for name, key in keys.items() if key in records)

    def _all_records(self, with_vectors: bool) -> Iterator[engine.Record]:
        shard, _ = self._open()
        offset = None
        while True:
            request = engine.ScrollRequest(offset=offset, limit=PAGE, with_payload=True, with_vector=with_vectors)
            with engine_errors(self._place, "read points"):
                records, offset = shard.scroll(request)
            yield from records
            if offset is None:
                return

    def _finish_load(self) -> None:
        self._loading = False
        if self._upserted and self._shard is not None:
            index_shard(self._shard, self._place)
