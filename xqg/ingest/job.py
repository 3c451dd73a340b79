"""One ingestion job: sources in, a collection brought up to date, rejects kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType

from xqg.ingest.calibration import MINIMUM_PASSAGES
from xqg.ingest.collection import Opened, open_collection
from xqg.ingest.corpus import Corpus
from xqg.ingest.estimate import Estimate, estimate
from xqg.ingest.leftovers import tell_left_over, watched
from xqg.ingest.passage_side import encoder_for
from xqg.ingest.pilot import calibrate_collection, draw_passages, first_passages
from xqg.ingest.rejects import RejectsFile
from xqg.ingest.remembering import RememberingEncoder
from xqg.ingest.report import IngestReport
from xqg.ingest.takeover import guarded
from xqg.ingest.worker import IngestWorker
from xqg.languages import LanguageDetector
from xqg.protocols import Encoder, QueryGenerator, VectorStore
from xqg.records import Passage, Reject
from xqg.settings import IngestSettings

DEFAULT_REJECTS = Path("xqg-rejects.jsonl")


class IngestJob:
    """Runs, or only estimates, the ingestion of sources with parts that are handed in; closes the store."""

    def __init__(
        self,
        settings: IngestSettings,
        generator: QueryGenerator | None,
        encoder: Encoder,
        store: VectorStore,
        detector: LanguageDetector,
    ) -> None:
        self._encoder = encoder_for(encoder, settings.generator.augment_with)
        self._settings, self._generator = settings, generator
        self._store, self._detector = store, detector
        named = settings.generator.languages
        self._languages = generator.languages() if generator is not None and not named else named

    def __enter__(self) -> IngestJob:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._store.close()

    def run(
        self,
        sources: Sequence[str],
        rejects: Path = DEFAULT_REJECTS,
        progress: Callable[[IngestReport], None] = lambda report: None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> IngestReport:
        """Ingest ``sources`` (files, folders, "-" for stdin) and return the counts.

        :param rejects: bad records go there as JSON lines; made only where there are some.
        :raises XqgError: if a source, a model or the store fails; what was stored stays stored, so run it again.
        """
        corpus = self._corpus(sources)
        with RejectsFile(rejects, sources) as kept:
            report = self._ingest(corpus, kept, progress, stopping)
        if not report.interrupted:
            corpus.tell()
            tell_left_over(self._generator)
        return report

    def _ingest(
        self,
        corpus: Corpus,
        kept: RejectsFile,
        progress: Callable[[IngestReport], None],
        stopping: Callable[[], bool],
    ) -> IngestReport:
        opened = open_collection(self._store, self._encoder, self._generator, self._settings, self._languages)
        work = partial(self._work, reject=kept.write, progress=progress, stopping=stopping)
        records = self._records(corpus, opened)
        if not opened.to_calibrate:
            return work(records, opened, self._encoder)
        encoder = RememberingEncoder(self._encoder)
        sample, records = self._sample(corpus, opened, records)
        pilot = work(sample, opened.pilot(len(sample) >= MINIMUM_PASSAGES), encoder)
        if pilot.interrupted:
            return pilot
        with pilot.timed("calibrate"):
            stored = self._store.points([passage.id for passage in sample])
            opened = calibrate_collection(self._store, opened, encoder, self._settings.fusion, stored)
        report = work(records, opened, encoder)
        report.absorb(pilot)
        return report

    def estimate(self, sources: Sequence[str]) -> Estimate:
        """What `run` would do and cost; writes nothing."""
        corpus = self._corpus(sources)
        opened = open_collection(
            self._store, self._encoder, self._generator, self._settings, self._languages, dry_run=True
        )
        found = estimate(
            watched(corpus, self._generator),
            self._generator,
            self._encoder,
            self._store,
            opened,
            self._settings.generator.queries_per_language,
            self._settings.batch_size,
        )
        corpus.tell()
        tell_left_over(self._generator)
        return found

    def _work(
        self,
        records: Iterable[Passage | Reject],
        opened: Opened,
        encoder: Encoder,
        reject: Callable[[Reject], None],
        progress: Callable[[IngestReport], None],
        stopping: Callable[[], bool],
    ) -> IngestReport:
        worker = IngestWorker(self._generator, encoder, self._store, opened, self._settings.batch_size)
        return worker.run(records, reject, progress, stopping)

    def _sample(
        self, corpus: Corpus, opened: Opened, records: Iterator[Passage | Reject]
    ) -> tuple[list[Passage], Iterator[Passage | Reject]]:
        """The passages to calibrate on, and all records: from files drawn at random, from a stream the first ones."""
        size = self._settings.fusion.calibration_sample
        if corpus.lasting:
            return draw_passages(records, size), self._records(corpus, opened)
        return first_passages(records, size)

    def _records(self, corpus: Corpus, opened: Opened) -> Iterator[Passage | Reject]:
        """One pass over the records, before which the collection was as ``opened``."""
        guard = not (opened.fresh or self._settings.update)
        records = guarded(corpus, self._store) if guard else corpus
        return watched(records, self._generator)

    def _corpus(self, sources: Sequence[str]) -> Corpus:
        """The records; the sources are looked at now, before anything is written, and read later."""
        return Corpus(sources, self._settings.reader, self._encoder.count_tokens, self._detector)
