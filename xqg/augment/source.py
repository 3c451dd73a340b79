"""Passages out of collections that exist: those of the source, and those that others wrote into the new one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xqg.augment.stored import is_augmentable
from xqg.errors import StoreError
from xqg.languages import DETECTED_CHARACTERS, CorpusLanguage, LanguageDetector
from xqg.layouts import PLAIN_VECTOR
from xqg.stores.augmented import Augmented, AugmentedStore
from xqg.stores.foreign import ForeignServer
from xqg.stores.foreign_points import ForeignPassage, ForeignPoint, foreign_passage


@dataclass
class Seen:
    """What one pass met: points of no use, and points that others wrote into the new collection.

    ``in_place``: those of others that are augmented. ``others``: those that stay as they were written.
    """

    without_text: int = 0
    in_place: int = 0
    others: int = 0


class Source:
    """The points of ``block.source`` as passages, beside what ``store`` has of them already.

    :param language: of texts whose payload names none; None: detected.
    """

    def __init__(
        self,
        server: ForeignServer,
        store: AugmentedStore,
        block: Augmented,
        detector: LanguageDetector,
        language: str | None,
    ) -> None:
        self._server, self._store, self._block = server, store, block
        self._corpus, self._language = CorpusLanguage(detector), language

    def passages(self, fresh: bool, seen: Seen) -> Iterator[ForeignPassage]:
        """All points of the source but those that others have written anew in the store.

        :param fresh: the store has nothing yet. :param seen: counts on the way.
        :raises StoreError: if a point has our key: then its vector is fused already.
        """
        for page in self._server.pages(self._block.source):
            if self._corpus.main is None:
                self._learn(page)
            known = {} if fresh else self._store.own_fields([point.id for point in page])
            for point in page:
                own = known.get(point.id, {})
                if own is None or PLAIN_VECTOR in own:
                    continue
                if self._block.layout.own(point.payload) is not None:
                    raise self._fused(point)
                passage = self._passage(point, own, point.digest())
                seen.without_text += not is_augmentable(passage, self._block.vector)
                yield passage

    def passages_of_others(self, take: bool, seen: Seen) -> Iterator[ForeignPassage]:
        """The points that others wrote into the store: those augmented before, and the others where ``take``.

        Left out are those without text or vector, and those of several rows, which are fused already.
        """
        for point, own in self._store.points_of_others():
            rows = point.rows(self._block.vector)
            passage = self._passage(point, own or {}, own["document_hash"] if own else point.digest(), in_place=True)
            if rows is None or len(rows) > 1 or not passage.text.strip() or not (own or take):
                seen.others += 1
                continue
            seen.in_place += 1
            yield passage

    def delete_lost(self) -> int:
        """Delete what the store has of points that the source has no more; tells how many."""
        deleted = 0
        for ours in self._store.copied_ids():
            there = self._server.points(self._block.source, ours, with_payload=False)
            lost = [key for key in ours if key not in there]
            if lost:
                self._store.delete(lost)
            deleted += len(lost)
        return deleted

    def _passage(
        self, point: ForeignPoint, own: Mapping[str, Any], digest: str, in_place: bool = False
    ) -> ForeignPassage:
        """``point``, of this digest, as a passage. :param own: what stands under our key in the store; {}: nothing."""
        before = own.get("document_hash")
        detect = (lambda text: str(own["language"])) if before == digest else self._detect
        passage = self._block.layout.passage(str(point.id), point.payload, detect)
        return foreign_passage(passage, point, document_hash=digest, replaces=before, in_place=in_place)

    def _learn(self, page: Sequence[ForeignPoint]) -> None:
        """Find out the language of most texts, which short ones do not tell by themselves."""
        layout = self._block.layout
        for point in page:
            text = f"{layout.title(point.payload)}\n{layout.text(point.payload)}"[:DETECTED_CHARACTERS]
            self._corpus.learn(text, layout.language(point.payload))

    def _detect(self, text: str) -> str:
        return self._language or self._corpus.settle(text[:DETECTED_CHARACTERS])

    def _fused(self, point: ForeignPoint) -> StoreError:
        return StoreError(
            f"Point {point.id} of {self._block.source!r} has xqg's key: its vector is fused already",
            "asked to fuse plain vectors, once",
            "Ingest that point again with the software that wrote it",
        )
