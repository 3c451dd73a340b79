"""What a run did, as numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from xqg.protocols import Generation

STAGES = ("read", "check", "generate", "encode", "fuse", "store")


@dataclass
class IngestReport:
    """The counts of one run, kept by the worker; ``seconds`` by stage, ``dropped`` queries and translations by reason.

    ``failed`` requests for them are made again by the next run, ``refused`` ones are not. ``deleted`` counts documents
    that the sources no longer have.
    """

    read: int = 0
    skipped: int = 0
    upserted: int = 0
    rejected: int = 0
    generated: int = 0
    translated: int = 0
    reused: int = 0
    failed: int = 0
    refused: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    outdated: int = 0
    deleted: int = 0
    interrupted: bool = False

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time spent inside to ``seconds[stage]``."""
        start = perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += perf_counter() - start

    def count_dropped(self, dropped: Mapping[str, int]) -> None:
        """Add to the dropped texts by reason."""
        for reason, count in dropped.items():
            self.dropped[reason] = self.dropped.get(reason, 0) + count

    def count_generation(self, generation: Generation, failed: int, refused: int) -> None:
        """Add one call of a generator. :param failed: requests of the run so far. :param refused: the same."""
        self.failed, self.refused = failed, max(self.refused, refused)
        self.generated += len(generation.queries)
        self.translated += sum(len(translation.texts) for translation in generation.translations)
        self.count_dropped(generation.dropped)

    def queries_to_json(self) -> dict[str, Any]:
        """The part of the report that is about queries; ``failed`` and ``refused`` where there are any."""
        counts = {"failed": self.failed, "refused": self.refused}
        shown = {name: count for name, count in counts.items() if count}
        return {"made": self.generated, "reused": self.reused, "dropped": dict(self.dropped), **shown}

    def seconds_to_json(self) -> dict[str, float]:
        """The seconds of each stage, rounded."""
        return {stage: round(seconds, 3) for stage, seconds in self.seconds.items()}

    def to_json(self) -> dict[str, Any]:
        """The report as JSON; the shape of ``xqg ingest --json``."""
        return {
            "read": self.read,
            "skipped": self.skipped,
            "upserted": self.upserted,
            "rejected": self.rejected,
            "queries": self.queries_to_json(),
            "translations": {"made": self.translated},
            "seconds": self.seconds_to_json(),
            "outdated": self.outdated,
            "deleted": self.deleted,
            "interrupted": self.interrupted,
        }
