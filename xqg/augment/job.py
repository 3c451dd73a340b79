"""The job of `xqg augment`: an existing collection in, a better one beside it out, the alias moved there or back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from xqg.augment.inspection import Inspected, inspect_source
from xqg.augment.source import AugmentReport, Source, StoredVectors
from xqg.errors import EncodingError, SettingsError, StoreError
from xqg.ingest.collection import FindProfile, OpenCollection
from xqg.ingest.failures import tell_left_over
from xqg.ingest.ingest_report import IngestReport
from xqg.ingest.worker import Pipeline
from xqg.languages import LanguageDetector
from xqg.protocols import Encoder, QueryGenerator
from xqg.records import Passage, Reject
from xqg.settings import AugmentSettings, IngestSettings
from xqg.stores.augmented import Augmented, augmented_from
from xqg.stores.server import Server, require_shape
from xqg.stores.server_store import ServerStore


def check_alias(server: Server, alias: str, source: str, into: str) -> None:
    """Raise where ``alias`` could not be moved from ``source`` to ``into``.

    :raises StoreError: if it is a collection's name, or names a third collection.
    """
    target = server.aliases().get(alias)
    if target is None and server.shape(alias) is not None:
        raise StoreError(
            f"{alias!r} is the name of a collection, and Qdrant lets no alias share it (nor rename a collection)",
            "a name for an alias",
            f"Let the application open {into!r}, or, once, a new alias such as {alias + '-live'!r}; where the name "
            f"cannot change, augment without --alias, check {into!r}, then delete {alias!r} (keep a snapshot) and give "
            "its name to an alias: searches fail for the moment between the two",
        )
    if target not in (None, source, into):
        raise StoreError(
            f"The alias {alias!r} is taken: it names {target!r}",
            f"an alias of {source!r} or {into!r}, or a new one",
            "Choose another --alias, or augment the collection that it names",
        )


def roll_back(server: Server, into: str, alias: str | None) -> dict[str, str]:
    """Make the alias name the source of ``into`` again; both collections stay as they are.

    :returns: the alias, and the collections it named before and names now.
    :raises StoreError: if the alias does not name ``into`` or its source.
    """
    if alias is None:
        raise SettingsError("No alias is named", "the one to move back", "Name it with --alias")
    block = augmented_from(require_shape(server, into).metadata)
    if block is None:
        raise StoreError(f"Collection {into!r} was not made by `xqg augment`", "one that has a source")
    require_shape(server, block.source)
    target = server.aliases().get(alias)
    if target not in (into, block.source):
        found = f"The alias {alias!r} names {target!r}" if target else f"There is no alias {alias!r}"
        raise StoreError(found, f"one of {into!r}, to be moved back to {block.source!r}", "Check --alias and --into")
    if target == into:
        server.point_alias(alias, block.source)
    return {"alias": alias, "was": target, "now": block.source}


MOST_PASSES = 10
"""Passes over a source that keeps changing, before the run ends without moving the alias."""


@dataclass(frozen=True)
class Plan:
    """What is known before anything is written. ``others``: whether what others wrote is augmented, too."""

    inspected: Inspected
    source: Source
    pipeline: Pipeline
    others: bool

    @property
    def block(self) -> Augmented:
        """How the new collection is made."""
        return self.inspected.block

    def passages(self, opened: OpenCollection, report: AugmentReport) -> Iterator[Passage]:
        """Those of the source, then those that others wrote into the new collection."""
        yield from self.source.passages(opened.fresh, report)
        if not opened.fresh:
            yield from self.source.passages_of_others(self.others, report)


@dataclass(frozen=True)
class AugmentJob(AbstractContextManager["AugmentJob"]):
    """Augments, or only estimates, one collection with parts that are handed in; closes the server's connection.

    ``source``: the collection, or an alias of it. ``ingest``: its store's collection is the new one.
    """

    source: str
    settings: AugmentSettings
    ingest: IngestSettings
    generator: QueryGenerator | None
    encoder: Encoder
    server: Server
    detector: LanguageDetector
    find_profile: FindProfile

    def __exit__(self, *error: object) -> None:
        self.server.close()

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
        report, pipeline = self._report(plan), plan.pipeline
        while not (report.settled or report.interrupted) and report.passes < MOST_PASSES:
            report.begin_pass()
            stored = report.work.upserted
            opened = pipeline.open()
            self.server.copy_indexes(plan.block.source, self.settings.into)
            worker = pipeline.worker(opened)
            worker.run(plan.passages(opened, report), _refuse, progress, stopping, report.work)
            if not report.interrupted:
                deleted = plan.source.delete_lost(pipeline.store)
                report.work.deleted += deleted
                report.settled = deleted == 0 and report.work.upserted == stored
        if report.settled:
            report.alias = self._move_alias(plan)
        if not report.interrupted:
            tell_left_over(self.generator)
        return report

    def estimate(self) -> dict[str, Any]:
        """What `run` would do and cost; writes nothing."""
        plan = self._plan()
        opened = plan.pipeline.open(dry_run=True)
        cost = plan.pipeline.estimate(opened, plan.passages(opened, self._report(plan)))
        return {
            "source": plan.block.source,
            "into": self.settings.into,
            "alias": self.settings.alias,
            "layout": plan.block.layout.name,
            "text_key": plan.block.layout.text_key,
            "vector": plan.block.vector,
            "distance": plan.inspected.distance,
            "encoder_agreement": plan.inspected.agreement,
            **cost.to_json(),
        }

    def _report(self, plan: Plan) -> AugmentReport:
        return AugmentReport(plan.block, self.settings.into, plan.inspected.agreement)

    def _plan(self) -> Plan:
        server, into, alias = self.server, self.settings.into, self.settings.alias
        aliases = server.aliases()
        if into in aliases:
            raise StoreError(f"{into!r} is an alias of {aliases[into]!r}", "a collection's own name")
        made = server.shape(into)
        before = None if made is None else augmented_from(made.metadata)
        source = aliases.get(self.source, self.source)
        if source == into and before is not None and self.source in aliases:
            source = before.source  # the alias was moved by an earlier run
        if source == into:
            raise SettingsError("Source and target are the same collection", "two collections", "Choose another --into")
        if alias is not None:
            check_alias(server, alias, source, into)
        inspected = inspect_source(server, source, self.settings, self.encoder)
        block = inspected.block if before is None else self._same(before, inspected.block)
        # the profile is the encoder's: its vectors as it makes them, not as the server stores them
        pipeline = Pipeline(
            self.ingest,
            self.generator,
            StoredVectors(self.encoder, inspected.distance),
            ServerStore(server, into, block),
            lambda _: self.find_profile(self.encoder),
        )
        named = alias is not None or into in aliases.values()
        return Plan(
            replace(inspected, block=block),
            Source(server, into, block, self.detector, self.ingest.reader.language),
            pipeline,
            named if self.settings.others is None else self.settings.others,
        )

    def _same(self, before: Augmented, now: Augmented) -> Augmented:
        """The block of an earlier run, whatever the layout was called then; it must read the same."""
        if not before.is_read_like(now):
            raise StoreError(
                f"Collection {self.settings.into!r} was made from {_described(before)}",
                f"one made from {_described(now)}",
                "Give the same options as then, or choose another --into",
            )
        return before

    def _move_alias(self, plan: Plan) -> dict[str, str | None] | None:
        alias, into = self.settings.alias, self.settings.into
        if alias is None:
            return None
        before = self.server.aliases().get(alias)
        if before != into:
            check_alias(self.server, alias, plan.block.source, into)
            self.server.point_alias(alias, into)
        return {"alias": alias, "was": before, "now": into}


def _refuse(reject: Reject) -> None:
    raise EncodingError(f"A stored vector cannot be used: {reject.reason}", "", "Ingest that point again")


def _described(block: Augmented) -> str:
    layout = block.layout
    return f"{block.source!r} (layout {layout.name}, text {layout.text_key!r}, vector {block.vector!r})"
