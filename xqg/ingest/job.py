"""One ingestion job: sources in, a collection brought up to date, rejects kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from xqg.errors import SettingsError
from xqg.ingest.collection import FindProfile, OpenCollection, finish_update
from xqg.ingest.estimate import Estimate
from xqg.ingest.failures import tell_left_over
from xqg.ingest.ingest_report import IngestReport
from xqg.ingest.removal import Sources, delete_documents, delete_lost, find_gone_files, find_lost, guarded, tell_of_more
from xqg.ingest.worker import Pipeline
from xqg.languages import LanguageDetector
from xqg.protocols import Encoder, QueryGenerator, VectorStore
from xqg.readers.corpus import Corpus
from xqg.readers.rejects import RejectsFile
from xqg.readers.sources import Source
from xqg.records import Passage, Reject
from xqg.settings import IngestSettings

DEFAULT_REJECTS = Path("xqg-rejects.jsonl")


class IngestJob(AbstractContextManager["IngestJob"]):
    """Runs, or only estimates, the ingestion of sources with parts that are handed in; closes the store.

    :param lenient: as in `Pipeline`.
    """

    def __init__(
        self,
        settings: IngestSettings,
        generator: QueryGenerator | None,
        encoder: Encoder,
        store: VectorStore,
        detector: LanguageDetector,
        find_profile: FindProfile,
        lenient: bool = False,
    ) -> None:
        self._settings, self._encoder, self._store, self._detector = settings, encoder, store, detector
        self._pipeline = Pipeline(settings, generator, encoder, store, find_profile, lenient)

    def __exit__(self, *error: object) -> None:
        self._store.close()

    def run(
        self,
        sources: Sequence[Source],
        rejects: Path = DEFAULT_REJECTS,
        progress: Callable[[IngestReport], None] = lambda report: None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> IngestReport:
        """Ingest ``sources`` (files, folders, "-" for stdin) and return the counts.

        :param rejects: bad records go there as JSON lines; made only where there are some.
        :raises XqgError: if a source, a model or the store fails, or --sync would delete more than it may; what was
            stored stays stored, so run it again.
        """
        corpus = self._corpus(sources)
        met = Sources(self._settings.reader.id_field)
        with RejectsFile(rejects, [source for source in sources if isinstance(source, str)]) as kept:
            opened = self._pipeline.open()
            records = self._records(met.watched(corpus), opened)
            report = self._pipeline.worker(opened).run(records, kept.write, progress, stopping)
        if not report.interrupted:
            corpus.tell()
            tell_left_over(self._pipeline.generator)
            if self._settings.sync:
                report.deleted = delete_lost(self._store, met, self._settings.sync_limit)
            elif self._settings.update:
                report.deleted = delete_documents(self._store, find_gone_files(self._store, met))
            else:
                tell_of_more(self._store, met, report.read)
            if report.deleted and report.outdated:
                report.outdated = finish_update(self._store, opened)
        return report

    def ingest(
        self,
        passages: Iterable[Passage | Mapping[str, Any]],
        rejects: Path = DEFAULT_REJECTS,
        progress: Callable[[IngestReport], None] = lambda report: None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> IngestReport:
        """`run` with passages in memory: any iterable, which is read once and a batch at a time.

        Each is a whole document, an `xqg.Passage` or a mapping like a line of JSONL: ``id`` and ``text``, optionally
        ``title``, ``language`` (else detected) and ``metadata``; other keys become metadata.

        :raises SettingsError: if ``passages`` is one passage, or a name. :raises XqgError: as `run`.
        """
        if isinstance(passages, (str, bytes, Mapping, Passage)) or not isinstance(passages, Iterable):
            raise SettingsError(
                f"{type(passages).__name__} is no list of passages",
                "an iterable of xqg.Passage or of mappings with id and text",
                "Files and folders go to `run`",
            )
        return self.run([iter(passages)], rejects, progress, stopping)

    def check(self) -> None:
        """See that the collection, where there is one, was made with these settings; writes nothing.

        :raises StoreError: shows both where it was not.
        """
        self._pipeline.open(dry_run=True)

    def estimate(self, sources: Sequence[str]) -> Estimate:
        """What `run` would do and cost; writes nothing."""
        corpus = self._corpus(sources)
        opened = self._pipeline.open(dry_run=True)
        met = Sources(self._settings.reader.id_field)
        found = self._pipeline.estimate(opened, self._records(met.watched(corpus), opened))
        corpus.tell()
        if self._settings.sync and not (opened.fresh or met.unknown):
            found = replace(found, to_delete=tuple(find_lost(self._store, met).documents))
        elif self._settings.update and not opened.fresh:
            found = replace(found, to_delete=tuple(find_gone_files(self._store, met)))
        return found

    def _records(self, corpus: Iterable[Passage | Reject], opened: OpenCollection) -> Iterable[Passage | Reject]:
        """The records; files of another folder that would replace stored ones are refused, unless --update is given."""
        return corpus if opened.fresh or self._settings.update else guarded(corpus, self._store)

    def _corpus(self, sources: Sequence[Source]) -> Corpus:
        """The records; the sources are looked at now, before anything is written, and read later."""
        return Corpus(sources, self._settings.reader, self._encoder.count_tokens, self._detector)
