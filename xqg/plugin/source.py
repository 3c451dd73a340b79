"""The stream of passages out of a collection that exists, and what it lost since."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xqg.errors import StoreError
from xqg.languages import DETECTED_CHARACTERS, CorpusLanguage, LanguageDetector
from xqg.plugin.stored import is_augmentable
from xqg.stores.augmented import Augmented, AugmentedStore, foreign_passage
from xqg.stores.foreign import ForeignPassage, ForeignPoint, ForeignServer


@dataclass
class Seen:
    """What one pass over the source met: points of no use for queries, and such as others have written since."""

    without_text: int = 0
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
        """All points that are ours to write, with vectors; those that others have written since are left out.

        :param fresh: the store has nothing yet. :param seen: counts on the way.
        :raises StoreError: if a point has our key: then its vector is fused already.
        """
        for page in self._server.pages(self._block.source):
            if self._corpus.main is None:
                self._learn(page)
            known = {} if fresh else self._store.own_fields([point.id for point in page])
            for point in page:
                if point.id in known and known[point.id] is None:
                    seen.others += 1
                    continue
                passage = self._passage(point, known.get(point.id) or {})
                seen.without_text += not is_augmentable(passage, self._block.vector)
                yield passage

    def delete_lost(self) -> int:
        """Delete those of our points in the store that the source has no more; tells how many."""
        deleted = 0
        for ours in self._store.own_ids():
            there = self._server.points(self._block.source, ours, with_payload=False)
            lost = [key for key in ours if key not in there]
            if lost:
                self._store.delete(lost)
            deleted += len(lost)
        return deleted

    def _passage(self, point: ForeignPoint, own: Mapping[str, Any]) -> ForeignPassage:
        layout = self._block.layout
        if layout.own(point.payload) is not None:
            raise StoreError(
                f"Point {point.id} of {self._block.source!r} has xqg's key: its vector is fused already",
                "asked to fuse queries into plain vectors, once",
                "Ingest that point again with the software that wrote it",
            )
        digest = point.digest()
        same = own.get("document_hash") == digest
        passage = layout.passage(str(point.id), point.payload, (lambda text: own["language"]) if same else self._detect)
        return foreign_passage(passage, point, passage.language, digest)

    def _learn(self, page: Sequence[ForeignPoint]) -> None:
        """Find out the language of most texts, which short ones do not tell by themselves."""
        layout = self._block.layout
        for point in page:
            text = f"{layout.title(point.payload)}\n{layout.text(point.payload)}"[:DETECTED_CHARACTERS]
            self._corpus.learn(text, layout.language(point.payload))

    def _detect(self, text: str) -> str:
        return self._language or self._corpus.settle(text[:DETECTED_CHARACTERS])
