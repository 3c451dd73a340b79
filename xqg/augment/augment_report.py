"""What an augmentation did, as numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from xqg.ingest.ingest_report import IngestReport
from xqg.stores.augmented import Augmented


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
