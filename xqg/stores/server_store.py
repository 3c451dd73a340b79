"""The store on a Qdrant server: one collection, in xqg's own payload layout or in that of other software."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from qdrant_client import models

from xqg.errors import StoreError
from xqg.layouts import PAYLOAD_HASH, PLAIN_VECTOR
from xqg.metadata import check_metadata
from xqg.protocols import Collection, Point
from xqg.records import FieldMatch, Hit, LedgerEntry, Texts, Vectors, digest
from xqg.stores.augmented import Augmented, SourcePassage, encode_vector
from xqg.stores.collection_config import Shape, copied_config, new_vectors, read_shape, with_several_rows
from xqg.stores.filters import Kind, Test
from xqg.stores.payload import (
    AUGMENTED,
    DEFAULT_VECTOR,
    DOCUMENT_ID,
    OWN,
    as_stored,
    own_fields,
    read_entry,
    read_hits,
    read_point,
    to_payload,
    to_vector,
)
from xqg.stores.server import Server
from xqg.stores.server_calls import ExistingCollectionError, MissingCollectionError
from xqg.stores.server_preparation import PayloadIndexes, claim, claimed_by, parse_index
from xqg.stores.server_requests import Row, from_source, still_plain, unchanged
from xqg.stores.server_search import ServerSearch, has_points

INDEXED_FIELDS = ((DOCUMENT_ID, "keyword"), ("language", "keyword"))
"""Fields beside the metadata that filters ask for."""


class ServerStore:
    """A `VectorStore` on the collection ``name`` of a server, or on an alias of one.

    :param block: how `xqg augment` makes it of other software's collection: with its ids, payloads and layout. Then
        passages are `SourcePassage`, and a point that others changed after it was read is never replaced or deleted.
        None: in xqg's own layout.
    """

    def __init__(self, server: Server, name: str, block: Augmented | None = None) -> None:
        self._server, self._name, self._block = server, name, block
        self._layout, self._vector = (OWN, DEFAULT_VECTOR) if block is None else (block.layout, block.vector)
        self._writable: Collection | None = None  # what it takes; None: not looked up yet
        self._payload_indexes: PayloadIndexes | None = None

    def describe(self) -> Collection | None:
        """The collection as it is, or None if there is none."""
        shape = self._server.shape(self._name)
        if shape is None:
            return None
        if self._block is None and AUGMENTED in shape.own:
            raise StoreError(
                f"The collection {self._name!r} has the payloads of other software: `xqg augment` made it",
                "one that `xqg ingest` made",
                "To change it, run `xqg augment` again with --update",
            )
        try:
            points = self._server.count(self._name)
        except MissingCollectionError:
            return None
        if self._block is None and points == 1 and not shape.own:
            # a run that was killed while it took the collection may have left its claim
            points -= claimed_by(self._server, self._name) is not None
        return self._collection(shape, points)

    def create(self, dimension: int, distance: str, metadata: Mapping[str, Any], multivector: bool = False) -> None:
        """Make the collection, empty; an augmented one is configured like its source.

        In xqg's own layout, one that is there, empty and without metadata of ours, is taken with its configuration.

        :param multivector: its points have one row or more each, instead of exactly one.
        :raises StoreError: if it exists.
        """
        own = self._own_metadata(metadata)
        if self._block is None:
            arguments: dict[str, Any] = {"vectors_config": new_vectors(dimension, distance, multivector)}
        else:
            info = self._server.look(self._block.source)
            arguments = copied_config(info)
            if multivector:
                arguments["vectors_config"] = with_several_rows(info, self._block.source, self._vector)
        try:
            self._server.create(self._name, own, arguments)
        except ExistingCollectionError:
            found = None if self._block is not None else self.describe()
            if found is None or replace(found, most_rows=None) != Collection(dimension, distance, 0, {}, multivector):
                raise
            claim(self._server, self._name, own)
        self._server.look(self._name)  # with the limits that the server gives to new collections
        if self._block is not None:
            self._server.copy_indexes(self._block.source, self._name)

    def write_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Replace xqg's metadata of the collection, but for what the store itself keeps there."""
        self._open_to_write()
        self._server.write_metadata(self._name, self._own_metadata(metadata))

    def ledger(self, passage_ids: Sequence[str]) -> dict[str, LedgerEntry]:
        """What is known of those of the passages that are stored; the others are left out."""
        found = self._retrieve(passage_ids, with_payload=[self._layout.own_path])
        payloads = {name: record.payload or {} for name, record in found.items()}
        known = {name: self._layout.own(payload) for name, payload in payloads.items()}
        return {name: read_entry(own, payloads[name]) for name, own in known.items() if own is not None}

    def upsert(self, points: Sequence[Point]) -> None:
        """Store the points, idempotent by id; returns when the server has applied all of them."""
        if not points:
            return
        collection = self._open_to_write()
        if self._block is None:
            metadata = (point.passage.metadata for point in points)
            self._indexes().offer_metadata(metadata, lambda key: OWN.filter_paths(key)[-1])
        row = self._own_row if self._block is None else self._row
        self._server.upsert(self._name, [row(point, collection) for point in points])

    def delete(self, passage_ids: Sequence[str]) -> None:
        """Delete these passages; those that are not there do not matter. What others wrote stays."""
        if passage_ids:
            self._open_to_write()
            condition = None if self._block is None else partial(from_source, self._layout)
            self._server.delete(self._name, [self._layout.point_id(key) for key in passage_ids], condition)

    def index_fields(self, fields: Sequence[str]) -> None:
        """Index these fields, each ``KEY:TYPE``. :raises StoreError: if there is another, or room for none."""
        self._open_to_write()
        indexes = PayloadIndexes(self._server, self._name, self._server.look(self._name))
        for key, kind in map(parse_index, fields):
            indexes.make(self._path_of(key), kind)

    def search(
        self, vectors: Vectors, limit: int, filters: Sequence[FieldMatch] = (), exact: bool = False
    ) -> list[list[Hit]]:
        """The nearest passages of each query vector, best first; the parameters are those of `VectorStore.search`."""
        search = ServerSearch(self._server, self._name, self._layout, self._vector)
        return [read_hits(points, self._layout) for points in search(vectors, limit, filters, exact)]

    def points(self, passage_ids: Sequence[str] | None = None, with_vectors: bool = False) -> Iterator[Point]:
        """The stored points with these ids (in their order, unknown ones left out); None means all, by point id.

        Points that others wrote into an augmented collection are there with their entry, if any, but not among all.
        """
        if passage_ids is None:
            pages = self._server.pages(self._name, with_vectors=with_vectors)
            records: Iterable[models.Record] = (record for page in pages for record in page)
        else:
            records = self._retrieve(passage_ids, with_vectors=with_vectors).values()
        for record in records:
            payload, layout = record.payload or {}, self._layout
            every = passage_ids is not None or self._block is None
            if every or not (layout.own(payload) is None or layout.is_rewritten(payload)):
                yield read_point(record, layout, self._vector)

    @contextmanager
    def bulk_load(self) -> Iterator[None]:
        """Index the fields of passages first; a server indexes vectors while it is written to."""
        self._open_to_write()
        if self._block is None:
            self._indexes().offer(INDEXED_FIELDS)
        yield

    def close(self) -> None:
        """Release the server's connections; calling it twice does nothing."""
        self._server.close()
        self._writable = self._payload_indexes = None

    def _open_to_write(self) -> Collection:
        """What the collection takes, looked up once."""
        if self._writable is None:
            self._writable = self._collection(read_shape(self._server.known(self._name)), 0)
        return self._writable

    def _collection(self, shape: Shape, points: int) -> Collection:
        vector = shape.vectors.get(self._vector)
        if vector is None or (self._block is None and vector.distance not in ("cosine", "dot")):
            named = f"no dense vector {self._vector!r}" if self._vector else "named vectors only, or none"
            raise StoreError(
                f"Collection {self._name!r} has {named if vector is None else f'the distance {vector.distance}'}",
                "an unnamed vector, with cosine or dot product" if self._block is None else "",
                "Choose another --collection" if self._block is None else "",
            )
        return Collection(vector.size, vector.distance, points, shape.own, vector.multivector, vector.most_rows)

    def _own_metadata(self, metadata: Mapping[str, Any]) -> dict[str, Any]:
        return dict(metadata) if self._block is None else {**metadata, AUGMENTED: self._block.to_json()}

    def _indexes(self) -> PayloadIndexes:
        if self._payload_indexes is None:
            self._payload_indexes = PayloadIndexes(self._server, self._name, self._server.known(self._name))
        return self._payload_indexes

    def _path_of(self, key: str) -> str:
        """The first path that ``key`` may mean and that a point has; the first of all where none has one."""
        paths = self._layout.filter_paths(key)
        name = self._name if self._block is None else self._block.source
        found = (path for path in paths if has_points(self._server, name, [Test(path, Kind.PRESENT)]))
        return next(found, paths[0]) if len(paths) > 1 else paths[0]

    def _retrieve(
        self, passage_ids: Sequence[str], with_payload: bool | list[str] = True, with_vectors: bool = False
    ) -> dict[str, models.Record]:
        ids = [self._layout.point_id(passage_id) for passage_id in passage_ids]
        found = self._server.retrieve(self._name, ids, with_payload, with_vectors)
        return {name: found[key] for name, key in zip(passage_ids, ids, strict=True) if key in found}

    def _own_row(self, point: Point, collection: Collection) -> Row:
        vector = to_vector(point, collection.dimension, collection.multivector)
        payload, size = to_payload(point)
        return Row(models.PointStruct(id=OWN.point_id(point.passage.id), vector=vector, payload=payload), size)

    def _row(self, point: Point, collection: Collection) -> Row:
        """The point that the passage was read from, with our key and vector."""
        passage = point.passage
        if not isinstance(passage, SourcePassage):
            raise StoreError(f"Passage {passage.id!r} was not read from {self._layout.name} points")
        own, vectors = {**own_fields(point), "language": passage.language}, passage.vectors
        if passage.is_augmentable:
            ours = to_vector(point, collection.dimension, collection.multivector)
            vectors = {**vectors, self._vector: ours} if isinstance(vectors, Mapping) else ours
        if passage.in_place and passage.vector is not None:
            own[PLAIN_VECTOR] = encode_vector(passage.vector)
        own[PAYLOAD_HASH] = digest(self._layout.without_own(self._layout.with_own(passage.payload, own)))
        payload, size = as_stored(self._layout.with_own(passage.payload, own), passage.id)
        record = models.PointStruct(id=self._layout.point_id(passage.id), vector=vectors, payload=payload)
        if passage.in_place and passage.replaces is None:
            return Row(record, size, still_plain(self._layout, passage.payload))
        # its own hash as well: a write whose answer was lost is tried again
        hashes = [passage.document_hash, *([] if passage.replaces is None else [passage.replaces])]
        return Row(record, size, unchanged(self._layout, hashes))


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
