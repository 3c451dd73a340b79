"""The job behind `xqg augment`: an existing collection in, a second one with better vectors out, the alias moved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from xqg.augment.aliases import check_alias
from xqg.augment.augment_report import AugmentReport
from xqg.augment.augment_settings import AugmentSettings
from xqg.augment.inspection import inspect_source
from xqg.augment.source import Source
from xqg.augment.stored import StoredVectors
from xqg.errors import EncodingError, SettingsError, StoreError
from xqg.fusion.profile import EncoderProfile
from xqg.ingest.collection import FindProfile, Opened, open_collection
from xqg.ingest.estimate import estimate
from xqg.ingest.ingest_report import IngestReport
from xqg.ingest.leftovers import tell_left_over, watched
from xqg.ingest.worker import IngestWorker
from xqg.languages import LanguageDetector
from xqg.protocols import Encoder, QueryGenerator
from xqg.records import Passage, Reject
from xqg.settings import IngestSettings
from xqg.stores.augmented import Augmented, augmented_from
from xqg.stores.server import Server
from xqg.stores.server_store import ServerStore

MOST_PASSES = 10
"""Passes over a source that keeps changing, before the run ends without moving the alias."""


@dataclass(frozen=True)
class Plan:
    """What is known before anything is written. ``others``: whether what others wrote is augmented, too."""

    block: Augmented
    agreement: float | None
    store: ServerStore
    source: Source
    encoder: StoredVectors
    others: bool


class AugmentJob:
    """Augments, or only estimates, one collection with parts that are handed in; closes the server's connection.

    :param source: the collection, or an alias of it. :param ingest: its store's collection is the new one.
    """

    def __init__(
        self,
        source: str,
        settings: AugmentSettings,
        ingest: IngestSettings,
        generator: QueryGenerator | None,
        encoder: Encoder,
        server: Server,
        detector: LanguageDetector,
        find_profile: FindProfile,
    ) -> None:
        self._named_source, self._settings, self._ingest = source, settings, ingest
        self._generator, self._encoder = generator, encoder
        self._server, self._detector, self._find_profile = server, detector, find_profile
        named = ingest.generator.languages
        self._languages = generator.languages() if generator is not None and not named else named

    def __enter__(self) -> AugmentJob:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()

    def run(
        self,
        progress: Callable[[IngestReport], None] = lambda report: None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> AugmentReport:
        """Bring the new collection up to date with its source, and then move the alias.

        The source is read again until a pass finds nothing to do, so that what changed meanwhile is there too.

        :raises XqgError: before anything is written, if the source, the encoder or the alias does not fit; later if a
            part fails for good: what was stored stays stored, so run it again.
        """
        plan = self._plan()
        report = self._report(plan)
        while not (report.settled or report.interrupted) and report.passes < MOST_PASSES:
            report.begin_pass()
            stored = report.upserted
            self._pass(plan, report, progress, stopping)
            if not report.interrupted:
                deleted = plan.source.delete_lost(plan.store)
                report.deleted += deleted
                report.settled = deleted == 0 and report.upserted == stored
        if report.settled:
            report.alias = self._move_alias(plan)
        if not report.interrupted:
            tell_left_over(self._generator)
        return report

    def estimate(self) -> dict[str, Any]:
        """What `run` would do and cost; writes nothing."""
        plan = self._plan()
        opened = self._open(plan, dry_run=True)
        cost = estimate(
            watched(self._passages(plan, opened, self._report(plan)), self._generator),
            self._generator,
            plan.encoder,
            plan.store,
            opened,
            self._ingest.generator.queries_per_language,
            self._ingest.batch_size,
        )
        tell_left_over(self._generator)
        return {
            "source": plan.block.source,
            "into": self._settings.into,
            "alias": self._settings.alias,
            "layout": plan.block.layout.name,
            "text_key": plan.block.layout.text_key,
            "vector": plan.block.vector,
            "distance": plan.encoder.distance,
            "encoder_agreement": plan.agreement,
            **cost.to_json(),
        }

    def _plan(self) -> Plan:
        server, into = self._server, self._settings.into
        aliases = server.aliases()
        if into in aliases:
            raise StoreError(f"{into!r} is an alias of {aliases[into]!r}", "a collection's own name")
        made = server.shape(into)
        before = None if made is None else augmented_from(made.metadata)
        source = aliases.get(self._named_source, self._named_source)
        if source == into and before is not None and self._named_source in aliases:
            source = before.source  # the alias was moved by an earlier run
        if source == into:
            raise SettingsError("Source and target are the same collection", "two collections", "Choose another --into")
        if self._settings.alias is not None:
            check_alias(server, self._settings.alias, source, into)
        inspected = inspect_source(server, source, self._settings, self._encoder)
        block = self._check_made(inspected.block, before)
        named = self._settings.alias is not None or into in aliases.values()
        return Plan(
            block,
            inspected.agreement,
            ServerStore(server, into, block),
            Source(server, into, block, self._detector, self._ingest.reader.language),
            StoredVectors(self._encoder, inspected.distance),
            named if self._settings.others is None else self._settings.others,
        )

    def _check_made(self, asked: Augmented, before: Augmented | None) -> Augmented:
        """The block of the new collection; that of an earlier run must have been the same."""
        if before is None:
            return asked
        if not before.is_read_like(asked):
            raise StoreError(
                f"Collection {self._settings.into!r} was made from {_described(before)}",
                f"one made from {_described(asked)}",
                "Give the same options as then, or choose another --into",
            )
        return before

    def _pass(
        self, plan: Plan, report: AugmentReport, progress: Callable[[IngestReport], None], stopping: Callable[[], bool]
    ) -> None:
        opened = self._open(plan)
        self._server.copy_indexes(plan.block.source, self._settings.into)
        if self._ingest.index:
            plan.store.index_fields(self._ingest.index)
        worker = IngestWorker(self._generator, plan.encoder, plan.store, opened, self._ingest.batch_size)
        records = watched(self._passages(plan, opened, report), self._generator)
        worker.run(records, _refuse, progress, stopping, report)

    def _open(self, plan: Plan, dry_run: bool = False) -> Opened:
        # the profile is the encoder's: its vectors as it makes them, not as the server stores them
        def find_profile(_: Encoder) -> EncoderProfile:
            return self._find_profile(self._encoder)

        return open_collection(
            plan.store, plan.encoder, self._generator, self._ingest, self._languages, find_profile, dry_run
        )

    def _report(self, plan: Plan) -> AugmentReport:
        return AugmentReport(block=plan.block, into=self._settings.into, agreement=plan.agreement)

    def _passages(self, plan: Plan, opened: Opened, report: AugmentReport) -> Iterator[Passage]:
        """Those of the source, then those that others wrote into the new collection."""
        yield from plan.source.passages(opened.fresh, report)
        if not opened.fresh:
            yield from plan.source.passages_of_others(plan.others, report)

    def _move_alias(self, plan: Plan) -> dict[str, str | None] | None:
        alias, into = self._settings.alias, self._settings.into
        if alias is None:
            return None
        before = self._server.aliases().get(alias)
        if before != into:
            check_alias(self._server, alias, plan.block.source, into)
            self._server.point_alias(alias, into)
        return {"alias": alias, "was": before, "now": into}


def _refuse(reject: Reject) -> None:
    raise EncodingError(f"A stored vector cannot be used: {reject.reason}", "", "Ingest that point again")


def _described(block: Augmented) -> str:
    layout = block.layout
    return f"{block.source!r} (layout {layout.name}, text {layout.text_key!r}, vector {block.vector!r})"
