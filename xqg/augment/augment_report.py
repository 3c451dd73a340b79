"""What an augmentation did, as numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from xqg.ingest.ingest_report import IngestReport
from xqg.stores.augmented import Augmented


@dataclass
class AugmentReport(IngestReport):
    """The counts over all passes of a run; those of points met are of the last pass.

    :param agreement: median cosine of the encoder with the stored vectors; None where it was not measured.
    :param without_text: points that have no text or no vector, and are copied as they are.
    :param in_place: points that others wrote into the new collection, augmented there.
    :param others: such points that were left as they are.
    :param settled: whether the last pass found nothing to do.
    :param alias: its name and the collections that it named before (None: it is new) and names now.
    """

    block: Augmented = field(kw_only=True)
    into: str = field(kw_only=True)
    agreement: float | None = field(kw_only=True)
    without_text: int = 0
    in_place: int = 0
    others: int = 0
    passes: int = 0
    settled: bool = False
    alias: dict[str, str | None] | None = None

    def begin_pass(self) -> None:
        """Count what is met anew; requests that failed are made again in each pass."""
        self.passes += 1
        self.read = self.failed = self.without_text = self.in_place = self.others = 0

    def to_json(self) -> dict[str, Any]:
        """The shape of ``xqg augment --json``."""
        return {
            "source": self.block.source,
            "into": self.into,
            "layout": self.block.layout.name,
            "vector": self.block.vector,
            "encoder_agreement": self.agreement,
            "points": self.read,
            "stored": self.upserted,
            "deleted": self.deleted,
            "without_text": self.without_text,
            "written_by_others": {"augmented": self.in_place, "left": self.others},
            "passes": self.passes,
            "complete": self.settled,
            "queries": self.queries_to_json(),
            "seconds": self.seconds_to_json(),
            "alias": self.alias,
            "interrupted": self.interrupted,
        }
