"""The store of a collection that `xqg augment` made: other software's ids, payloads and layout, our vectors."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from qdrant_client import models

from xqg.errors import PARSING_ERRORS, StoreError
from xqg.known_layouts import layout_from_json
from xqg.layouts import PLAIN_VECTOR, Layout
from xqg.protocols import Collection, Point
from xqg.records import FieldMatch, Hit, LedgerEntry, Texts, Vectors
from xqg.settings import StoreSettings
from xqg.stores.conditions import copied, of_others, still_plain, unchanged
from xqg.stores.foreign import ForeignServer, Shape, require_shape
from xqg.stores.foreign_points import ForeignPassage, ForeignPoint, foreign_passage, identity
from xqg.stores.payload import AUGMENTED, KEY, as_stored, entry_from_payload, own_fields, to_rows
from xqg.stores.server_indexing import own_metadata
from xqg.stores.server_search import ServerSearch


@dataclass(frozen=True)
class Augmented:
    """How an augmented collection came about: its source, the layout of that, and the dense vector that is replaced."""

    source: str
    layout: Layout
    vector: str

    def is_read_like(self, other: Augmented) -> bool:
        """Whether both read the same from the same points, whatever the layout is called."""
        mine, theirs = (
            (block.source, block.vector, block.layout.text_key, block.layout.metadata_key, block.layout.own_path)
            for block in (self, other)
        )
        return mine == theirs and type(self.layout) is type(other.layout)

    def to_json(self) -> dict[str, Any]:
        """What is kept under `AUGMENTED`."""
        return {"source": self.source, "layout": self.layout.to_json(), "vector": self.vector}


def augmented_from(metadata: Mapping[str, Any]) -> Augmented | None:
    """The block in the metadata of a collection; None where `xqg augment` did not make it."""
    own = metadata.get(KEY)
    block = own.get(AUGMENTED) if isinstance(own, Mapping) else None
    if block is None:
        return None
    try:
        source, vector = block["source"], block["vector"]
        if not (isinstance(source, str) and isinstance(vector, str)):
            raise TypeError("source and vector are names")
        return Augmented(source, layout_from_json(block["layout"]), vector)
    except PARSING_ERRORS as error:
        found = f"{type(error).__name__}: {error}"
        raise StoreError(f"The metadata of the augmented collection is damaged: {found}", "what xqg wrote") from error


class AugmentedStore:
    """A `VectorStore` on one augmented collection of a server.

    Passages are written with the point they came from (`ForeignPassage`): same id, same payload and our key, same
    other vectors. A point that others changed after it was read is never replaced or deleted.
    """

    def __init__(self, server: ForeignServer, name: str, block: Augmented) -> None:
        self._server, self._name, self._block = server, name, block
        self._writable: Collection | None = None  # what it takes; None: not looked up yet

    def describe(self) -> Collection | None:
        """The collection as it is, or None if there is none."""
        shape = self._server.shape(self._name)
        return None if shape is None else self._collection(shape, self._server.count(self._name))

    def create(self, dimension: int, distance: str, metadata: Mapping[str, Any], multivector: bool = False) -> None:
        """Make the collection, empty, like its source, but for the rows a point that our vector takes.

        :raises StoreError: if it exists.
        """
        own, vector = {**metadata, AUGMENTED: self._block.to_json()}, self._block.vector
        self._server.create_like(self._block.source, self._name, own, vector if multivector else None)

    def write_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Replace xqg's metadata of the collection, but for what the store itself keeps there."""
        self._open_to_write()
        self._server.write_metadata(self._name, {**metadata, AUGMENTED: self._block.to_json()})

    def ledger(self, passage_ids: Sequence[str]) -> dict[str, LedgerEntry]:
        """What is known of those of the passages that are stored; the others are left out."""
        own = self.own_fields([identity(passage_id) for passage_id in passage_ids])
        return {str(key): entry_from_payload({KEY: fields}) for key, fields in own.items() if fields is not None}

    def own_fields(self, ids: Sequence[int | str]) -> dict[int | str, Mapping[str, Any] | None]:
        """What stands under our key in those of the points that are stored; None where others wrote the point."""
        layout = self._block.layout
        found = self._server.points(self._name, ids, with_payload=[layout.own_path])
        return {key: layout.own(point.payload) for key, point in found.items()}

    def copied_ids(self) -> Iterator[list[int | str]]:
        """The ids of the points that came from the source, some at a time."""
        ours = copied(self._block.layout)
        for page in self._server.pages(self._name, with_payload=False, with_vectors=False, condition=ours):
            yield [point.id for point in page]

    def points_of_others(self) -> Iterator[tuple[ForeignPoint, Mapping[str, Any] | None]]:
        """The points that others wrote into the collection, as they wrote them, with what stands under our key."""
        layout, vector = self._block.layout, self._block.vector
        for page in self._server.pages(self._name, condition=of_others(layout)):
            for point in page:
                own = layout.own(point.payload)
                if own is None:
                    yield point, None
                    continue
                plain = _plain_vector(point, own)
                yield ForeignPoint(point.id, layout.without_own(point.payload), point.vectors_with(vector, plain)), own

    def upsert(self, points: Sequence[Point]) -> None:
        """Store the points, idempotent by id; returns when the server has applied all of them.

        A point is left as it is where another one stands there than when the passage was read.
        """
        collection = self._open_to_write()
        rows = [self._row(point, collection) for point in points]
        conditions = {row[0]: self._conditions(point) for row, point in zip(rows, points, strict=True)}
        self._server.write(self._name, rows, conditions)

    def delete_stale_chunks(self, documents: Mapping[str, str]) -> None:
        """Nothing: every point stands for itself, and `delete` takes those that the source lost."""

    def delete(self, ids: Sequence[int | str]) -> None:
        """Delete those of these points that came from the source and were not written by others since."""
        self._server.delete(self._name, [identity(str(key)) for key in ids], partial(copied, self._block.layout))

    def index_fields(self, fields: Sequence[str]) -> None:
        """Index these fields, each ``KEY:TYPE``. :raises StoreError: if there is another, or room for none."""
        self._server.index_fields(self._name, fields, self._block.layout.filter_paths, self._block.source)

    def search(
        self, vectors: Vectors, limit: int, filters: Sequence[FieldMatch] = (), exact: bool = False
    ) -> list[list[Hit]]:
        """The nearest passages of each query vector, best first, at most ``limit`` each.

        :param vectors: shape (queries, dimension).
        :param exact: look at every point instead of the approximate index.
        """
        server, name = self._server, self._name
        look, paths = partial(server.known_info, name), self._block.layout.filter_paths
        search = ServerSearch(server.client(), server.calls(name), name, look, paths, self._block.vector)
        return [self._hits(points) for points in search(vectors, limit, filters, exact)]

    def points(self, passage_ids: Sequence[str] | None = None, with_vectors: bool = False) -> Iterator[Point]:
        """The stored points with these ids (in their order, unknown ones left out); None means all, by point id.

        Points that others wrote are left out: there is nothing to tell of them.
        """
        if passage_ids is None:
            pages = self._server.pages(self._name, with_vectors=with_vectors)
            found = (point for page in pages for point in page)
        else:
            ids = [identity(passage_id) for passage_id in passage_ids]
            known = self._server.points(self._name, ids, with_vectors=with_vectors)
            found = (known[key] for key in ids if key in known)
        layout = self._block.layout
        return (self._point(point) for point in found if layout.own(point.payload) is not None)

    @contextmanager
    def bulk_load(self) -> Iterator[None]:
        """Nothing: a server indexes while it is written to."""
        self._open_to_write()
        yield

    def close(self) -> None:
        """Release the server's connections; calling it twice does nothing."""
        self._server.close()

    def _open_to_write(self) -> Collection:
        """What the collection takes, looked up once; mends what an older version may have left."""
        if self._writable is None:
            self._server.restore_indexing(self._name)
            self._writable = self._collection(require_shape(self._server, self._name), 0)
        return self._writable

    def _collection(self, shape: Shape, points: int) -> Collection:
        vector = shape.vectors.get(self._block.vector)
        if vector is None:
            raise StoreError(f"Collection {self._name!r} has no dense vector {self._block.vector!r}")
        metadata = own_metadata(shape.metadata)
        return Collection(vector.size, vector.distance, points, metadata, vector.multivector, vector.most_rows)

    def _row(self, point: Point, collection: Collection) -> tuple[int | str, Any, Mapping[str, Any]]:
        passage, origin = self._origin(point)
        own = {**own_fields(point), "language": passage.language}
        vectors, plain = origin.vectors, origin.vector(self._block.vector)
        if passage.text.strip():
            rows = np.asarray(to_rows(point, collection.dimension, collection.multivector), dtype=np.float32)
            vectors = origin.vectors_with(self._block.vector, rows if collection.multivector else rows[0])
        if passage.in_place and plain is not None:
            own[PLAIN_VECTOR] = base64.b64encode(plain.astype("<f4").tobytes()).decode("ascii")
        return origin.id, vectors, as_stored(self._block.layout.with_own(origin.payload, own), passage.id)

    def _conditions(self, point: Point) -> list[models.Condition]:
        """What the point that is there must meet to be replaced by ``point``."""
        (passage, origin), layout = self._origin(point), self._block.layout
        if passage.in_place and passage.replaces is None:
            return still_plain(layout, origin.payload)
        # its own hash as well: a write whose answer was lost is tried again
        hashes = [passage.document_hash, *([] if passage.replaces is None else [passage.replaces])]
        return unchanged(layout, hashes)

    def _origin(self, point: Point) -> tuple[ForeignPassage, ForeignPoint]:
        passage = point.passage
        if not isinstance(passage, ForeignPassage) or passage.origin is None:
            raise StoreError(f"Passage {passage.id!r} was not read from {self._block.source!r}")
        return passage, passage.origin

    def _point(self, found: ForeignPoint) -> Point:
        return Point(self._passage(found), self._entry(found), found.rows(self._block.vector))

    def _entry(self, found: ForeignPoint) -> LedgerEntry:
        return entry_from_payload({KEY: self._block.layout.own(found.payload)})

    def _passage(self, found: ForeignPoint) -> ForeignPassage:
        layout = self._block.layout
        own = layout.own(found.payload) or {}
        origin = ForeignPoint(found.id, layout.without_own(found.payload), found.vectors)
        passage = layout.passage(str(found.id), origin.payload, lambda text: "")
        language = own.get("language", passage.language)
        return foreign_passage(passage, origin, language=language, document_hash=own.get("document_hash", ""))

    def _hits(self, scored: Sequence[Any]) -> list[Hit]:
        hits = []
        for rank, found in enumerate(scored, start=1):
            point = ForeignPoint(found.id, found.payload or {}, None)
            ours = self._block.layout.own(point.payload) is not None
            texts = self._entry(point).texts if ours else Texts()
            hits.append(Hit(rank, float(found.score), self._passage(point), texts))
        return hits


def _plain_vector(point: ForeignPoint, own: Mapping[str, Any]) -> Vectors:
    """The vector that others wrote, kept beside ours."""
    try:
        vector: Vectors = np.frombuffer(base64.b64decode(own[PLAIN_VECTOR]), dtype="<f4").astype(np.float32)
    except PARSING_ERRORS as error:
        raise StoreError(f"Point {point.id!r} has lost the vector that others gave it: {error}") from error
    return vector


def open_augmented(settings: StoreSettings) -> AugmentedStore | None:
    """The store of a collection that `xqg augment` made; None where it is missing or was made otherwise."""
    server = ForeignServer(settings)
    shape = server.shape(settings.collection)
    block = None if shape is None else augmented_from(shape.metadata)
    if block is None:
        server.close()
        return None
    return AugmentedStore(server, settings.collection, block)
