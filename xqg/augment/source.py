"""What exists already: passages of the source, those that others wrote into the new collection, and their vectors;
and the count of what became of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from xqg.errors import StoreError
from xqg.fusion.arrays import unit_vectors
from xqg.ingest.ingest_report import IngestReport
from xqg.languages import DETECTED_CHARACTERS, CorpusLanguage, LanguageDetector
from xqg.layouts import PLAIN_VECTOR
from xqg.protocols import Encoder, VectorStore
from xqg.records import Passage, Vectors
from xqg.stores.augmented import Augmented, SourcePassage, read_source
from xqg.stores.payload import read_rows
from xqg.stores.server import Server
from xqg.stores.server_requests import from_source, of_others


@dataclass
class AugmentReport:
    """The counts over all passes of a run; those of points that were read are of the last pass.

    :param agreement: median cosine of the encoder with the stored vectors; None where it was not measured.
    :param work: what the worker counted, and how many points were deleted.
    :param without_text: points that have no text or no vector, and are copied as they are.
    :param in_place: points that others wrote into the new collection, augmented there.
    :param others: such points that were left as they are.
    :param settled: whether the last pass found nothing to do.
    :param alias: its name and the collections that it named before (None: it is new) and names now.
    """

    block: Augmented
    into: str
    agreement: float | None
    work: IngestReport = field(default_factory=IngestReport)
    without_text: int = 0
    in_place: int = 0
    others: int = 0
    passes: int = 0
    settled: bool = False
    alias: dict[str, str | None] | None = None

    @property
    def interrupted(self) -> bool:
        """Whether the run was ended before the source was through."""
        return self.work.interrupted

    def begin_pass(self) -> None:
        """Count anew what each pass reads; requests that failed are made again in each."""
        self.passes += 1
        self.work.read = self.work.skipped = self.work.failed = 0
        self.without_text = self.in_place = self.others = 0

    def to_json(self) -> dict[str, Any]:
        """The shape of ``xqg augment --json``."""
        return {
            "source": self.block.source,
            "into": self.into,
            "layout": self.block.layout.name,
            "vector": self.block.vector,
            "encoder_agreement": self.agreement,
            "points": self.work.read,
            "stored": self.work.upserted,
            "deleted": self.work.deleted,
            "without_text": self.without_text,
            "written_by_others": {"augmented": self.in_place, "left": self.others},
            "passes": self.passes,
            "complete": self.settled,
            "queries": self.work.queries_to_json(),
            "seconds": self.work.seconds_to_json(),
            "alias": self.alias,
            "interrupted": self.interrupted,
        }


class Source:
    """The points of ``block.source`` as passages, beside what the collection ``into`` has of them already.

    :param language: of texts whose payload names none; None: detected.
    """

    def __init__(
        self, server: Server, into: str, block: Augmented, detector: LanguageDetector, language: str | None
    ) -> None:
        self._server, self._into, self._block = server, into, block
        self._corpus, self._language = CorpusLanguage(detector), language

    def passages(self, fresh: bool, report: AugmentReport) -> Iterator[SourcePassage]:
        """All points of the source but those that others have written anew in the new collection.

        :param fresh: that has nothing yet. :param report: counts the points without text or vector.
        :raises StoreError: if a point has our key: then its vector is fused already.
        """
        layout, vector = self._block.layout, self._block.vector
        for page in self._server.pages(self._block.source):
            if self._corpus.main is None:
                self._learn(page)
            known = {} if fresh else self._server.retrieve(self._into, [point.id for point in page])
            stored = {key: point.payload or {} for key, point in known.items()}
            for point in page:
                own = layout.own(stored[point.id]) if point.id in stored else {}
                if own is None or PLAIN_VECTOR in own:
                    continue
                if layout.is_rewritten(stored.get(point.id, {})):
                    report.others += 1
                    continue
                if layout.own(point.payload or {}) is not None:
                    raise self._fused(point)
                passage = read_source(point, layout, vector, own, self._detect)
                report.without_text += not passage.is_augmentable
                yield passage

    def passages_of_others(self, include_new: bool, report: AugmentReport) -> Iterator[SourcePassage]:
        """The points that others wrote into the new collection: those augmented before, and where ``include_new`` all.

        Left out are those without text or vector, those of several rows without our key, which are fused already, and
        those of one row that may be newer than what we noted under it.
        """
        layout, vector = self._block.layout, self._block.vector
        for page in self._server.pages(self._into, condition=of_others(layout)):
            for point in page:
                own, rows = layout.own(point.payload or {}), read_rows(point.vector, vector)
                passage = read_source(point, layout, vector, own or {}, self._detect, in_place=True)
                count = 0 if rows is None else len(rows)
                left = count > 1 if own is None else count == 1 and layout.is_rewritten(point.payload or {})
                if left or not passage.is_augmentable or not (own or include_new):
                    report.others += 1
                    continue
                report.in_place += 1
                yield passage

    def delete_lost(self, store: VectorStore) -> int:
        """Delete what the store of the new collection has of points that the source no longer has; tells how many."""
        deleted, layout = 0, self._block.layout
        copied = from_source(layout)
        for page in self._server.pages(self._into, with_payload=False, with_vectors=False, condition=copied):
            ids: list[Any] = [point.id for point in page]
            there = self._server.retrieve(self._block.source, ids, with_payload=False)
            gone = self._server.retrieve(self._into, [key for key in ids if key not in there])
            lost = [str(key) for key, point in gone.items() if not layout.is_rewritten(point.payload or {})]
            store.delete(lost)
            deleted += len(lost)
        return deleted

    def _learn(self, page: Sequence[Any]) -> None:
        """Find out the language of most texts, which short ones do not tell by themselves."""
        layout = self._block.layout
        for point in page:
            payload = point.payload or {}
            text = f"{layout.title(payload)}\n{layout.text(payload)}"[:DETECTED_CHARACTERS]
            self._corpus.learn(text, layout.language(payload))

    def _detect(self, text: str) -> str:
        return self._language or self._corpus.settle(text[:DETECTED_CHARACTERS])

    def _fused(self, point: Any) -> StoreError:
        return StoreError(
            f"Point {point.id} of {self._block.source!r} has xqg's key, so its vector is fused already",
            "plain vectors",
            "Ingest that point again with the software that wrote it",
        )


class StoredVectors:
    """An `Encoder` that takes the stored vectors for those of stored passages, and encodes all else with ``inner``.

    :param distance: that of the source, "cosine" or "dot".
    """

    def __init__(self, inner: Encoder, distance: str) -> None:
        self._inner, self.distance = inner, distance
        self.identity, self.dimension = inner.identity, inner.dimension
        self.check, self.count_tokens = inner.check, inner.count_tokens

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Vectors of questions, shape (len(texts), dimension)."""
        return self._as_stored(self._inner.encode_queries(texts))

    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        """Their stored vectors, zeros for a point that has none; generated passages are encoded."""
        vectors = np.zeros((len(passages), self.dimension), dtype=np.float32)
        generated = [row for row, passage in enumerate(passages) if not isinstance(passage, SourcePassage)]
        if generated:
            vectors[generated] = self._as_stored(self._inner.encode_passages([passages[row] for row in generated]))
        for row, passage in enumerate(passages):
            if isinstance(passage, SourcePassage) and passage.vector is not None:
                vectors[row] = passage.vector
        return vectors

    def _as_stored(self, vectors: Vectors) -> Vectors:
        """At length 1 under cosine: so are the stored ones, which the server normalised."""
        return unit_vectors(vectors) if self.distance == "cosine" else vectors
