"""What an augmentation did, as numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from xqg.ingest.ingest_report import IngestReport
from xqg.stores.augmented import Augmented


@dataclass
class AugmentReport:
    """The counts over all passes of a run.

    :param agreement: median cosine of the encoder with the stored vectors; None where it was not measured.
    :param without_text: points that have no text or no vector, and are copied as they are.
    :param in_place: points that others wrote into the new collection, augmented there.
    :param others: such points that were left as they are.
    :param alias: its name and the collections that it named before (None: it is new) and names now.
    """

    block: Augmented
    into: str
    agreement: float | None
    points: int = 0
    stored: int = 0
    deleted: int = 0
    without_text: int = 0
    in_place: int = 0
    others: int = 0
    passes: int = 0
    settled: bool = False
    work: IngestReport = field(default_factory=IngestReport)
    alias: dict[str, str | None] | None = None
    interrupted: bool = False

    def add(self, work: IngestReport) -> None:
        """Count one pass over the source."""
        self.passes += 1
        self.points = work.read
        self.stored += work.upserted
        self.interrupted = work.interrupted
        self.work.generated += work.generated
        self.work.reused += work.reused
        self.work.failed, self.work.refused = work.failed, max(self.work.refused, work.refused)  # asked anew each time
        self.work.count_dropped(work.dropped)
        for stage, seconds in work.seconds.items():
            self.work.seconds[stage] += seconds

    def to_json(self) -> dict[str, Any]:
        """The shape of ``xqg augment --json``."""
        return {
            "source": self.block.source,
            "into": self.into,
            "layout": self.block.layout.name,
            "vector": self.block.vector,
            "encoder_agreement": self.agreement,
            "points": self.points,
            "stored": self.stored,
            "deleted": self.deleted,
            "without_text": self.without_text,
            "written_by_others": {"augmented": self.in_place, "left": self.others},
            "passes": self.passes,
            "complete": self.settled,
            "queries": self.work.queries_to_json(),
            "seconds": {stage: round(seconds, 3) for stage, seconds in self.work.seconds.items()},
            "alias": self.alias,
            "interrupted": self.interrupted,
        }
