"""What the jobs do, by their kind."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xqg.assembly import open_augmentation
from xqg.errors import EncodingError, GenerationError, StoreError, StoreUnreachableError, XqgError
from xqg.ingest.ingest_report import IngestReport
from xqg.ingest.removal import stored_passages
from xqg.service.jobs import Job
from xqg.service.parts import Parts
from xqg.service.plain import NotComparableError, PlainVectors
from xqg.service.registry import Registry
from xqg.service.spool import Spool
from xqg.settings import AugmentSettings, IngestSettings, validated

Progress = Callable[[Mapping[str, Any]], None]
Stopping = Callable[[], bool]


@dataclass(frozen=True)
class Outcome:
    """How a job ended: its counts, and whether it was interrupted."""

    counts: Mapping[str, Any]
    interrupted: bool = False


@dataclass
class Runner:
    """Runs jobs with the parts given. :param config: the groups of settings, for augmentations."""

    parts: Parts
    registry: Registry
    spool: Spool
    data: Path
    most_compared: int
    config: Mapping[str, Mapping[str, Any]]
    _plain: dict[str, PlainVectors] = field(default_factory=dict)

    def run(self, job: Job, progress: Progress, stopping: Stopping) -> Outcome:
        """Do the job, or continue it. :raises XqgError: if it cannot be done now, or not at all."""
        kinds = {"ingest": self._ingest, "folder": self._ingest, "delete": self._delete, "augment": self._augment}
        return kinds[job.kind](job, progress, stopping)

    def plain_vectors(self, collection: str) -> PlainVectors:
        """What the collection is compared with."""
        return self._plain.setdefault(collection, PlainVectors(self.data / "plain", collection, self.most_compared))

    def _ingest(self, job: Job, progress: Progress, stopping: Stopping) -> Outcome:
        settings, folder = self._settings(job), job.work.get("folder")
        source = folder or str(self.spool.source(job.work["place"]))
        if folder is not None:  # a watched one: what is deleted there is deleted here
            settings = settings.model_copy(update={"sync": True, "sync_limit": sys.maxsize})
        counting = Counting(progress, job.work.get("records"))
        with self.parts.job(settings) as ingestion:
            report = ingestion.run([source], self.spool.rejects_of(job.id), counting, stopping)
        counting(report)
        if not report.interrupted:
            self._update_plain(job.collection, settings)
        return Outcome(counting.counts, report.interrupted)

    def _delete(self, job: Job, progress: Progress, stopping: Stopping) -> Outcome:
        store = self.parts.store(job.collection)
        before = store.describe()
        if before is None:
            return Outcome({"deleted": 0})
        found = stored_passages(store, job.work["documents"])
        store.delete([passage_id for ids in found.values() for passage_id in ids])
        after = store.describe()
        return Outcome({"deleted": before.points - (0 if after is None else after.points)})

    def _augment(self, job: Job, progress: Progress, stopping: Stopping) -> Outcome:
        source, settings, ingest = self.augmentation(job.work)
        counting = Counting(progress, None)
        with open_augmentation(source, settings, ingest) as augmentation:
            report = augmentation.run(counting, stopping)
        self.parts.look_again(job.collection)
        return Outcome({**counting.counts, "augmented": report.to_json()}, report.interrupted)

    def augmentation(self, work: Mapping[str, Any]) -> tuple[Any, AugmentSettings, IngestSettings]:
        """Source, settings and new collection of an augmentation. :raises SettingsError: if they do not fit."""
        settings: AugmentSettings = validated(AugmentSettings, work["settings"])
        groups = {name: dict(self.config.get(name, {})) for name in ("encoder", "generator", "fusion")}
        groups["fusion"].pop("distance", None)  # it is the source's
        values = {**self.config.get("job", {}), **groups, "store": self.parts.place(settings.into)}
        ingest: IngestSettings = validated(IngestSettings, values)
        return self.parts.place(work["source"]), settings, ingest

    def _settings(self, job: Job) -> IngestSettings:
        settings = self.registry.settings(job.collection)
        if settings is None:
            raise StoreError(f"Collection {job.collection!r} was deleted", "", "Make it again, then retry the job")
        return settings

    def _update_plain(self, collection: str, settings: IngestSettings) -> None:
        """Keep the comparison up to date; no job fails over it."""
        if self.most_compared == 0:
            return
        store = self.parts.store(collection)
        try:
            found = store.describe()
            if found is not None and found.points <= self.most_compared:
                self.plain_vectors(collection).update(store, self.parts.encoder(settings.encoder))
        except (NotComparableError, OSError):
            return


class Counting:
    """Turns the reports of a run into counts with stage, rate and what remains. :param total: records, if known."""

    def __init__(self, progress: Progress, total: int | None) -> None:
        self._progress, self._total = progress, total
        self._before: dict[str, float] = {}
        self.counts: dict[str, Any] = {}

    def __call__(self, report: IngestReport) -> None:
        """Report the progress of a run."""
        spent = {stage: seconds - self._before.get(stage, 0.0) for stage, seconds in report.seconds.items()}
        self._before = dict(report.seconds)
        busy, done = sum(report.seconds.values()), report.read + report.rejected
        self.counts = {
            **report.to_json(),
            "stage": max(spent, key=lambda stage: spent[stage]),
            "rate": round(report.read / busy, 2) if busy else None,
            "remaining": None if self._total is None else max(0, self._total - done),
        }
        self.counts.pop("interrupted")
        self._progress(self.counts)


def is_for_later(error: XqgError) -> bool:
    """Whether the same job may succeed when it is tried again, since the fault is not in it or its settings."""
    return isinstance(error, StoreUnreachableError | EncodingError | GenerationError)
