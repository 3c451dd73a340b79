"""The pipeline of every ingestion: a collection is opened, and passages are planned, or brought into it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from xqg.ingest.collection import FindProfile, OpenCollection, open_collection
from xqg.ingest.estimate import Estimate, estimate
from xqg.ingest.failures import tell_left_over
from xqg.ingest.ingest_report import IngestReport
from xqg.ingest.worker import IngestWorker
from xqg.protocols import Encoder, QueryGenerator, VectorStore
from xqg.records import Passage, Reject
from xqg.settings import IngestSettings


class Pipeline:
    """Ingestions into one collection, with parts that are handed in.

    :param lenient: a passage that a part fails on, where it takes others, is a reject (`IngestWorker`).
    """

    def __init__(
        self,
        settings: IngestSettings,
        generator: QueryGenerator | None,
        encoder: Encoder,
        store: VectorStore,
        find_profile: FindProfile,
        lenient: bool = False,
    ) -> None:
        self._settings, self.generator, self._encoder, self.store = settings, generator, encoder, store
        self._find_profile, self._lenient = find_profile, lenient

    def open(self, dry_run: bool = False) -> OpenCollection:
        """The collection, as `open_collection` makes or finds it."""
        settings, generator = self._settings, self.generator
        named = settings.generator.languages
        languages = generator.languages() if generator is not None and not named else named
        return open_collection(self.store, self._encoder, generator, settings, languages, self._find_profile, dry_run)

    def run(
        self,
        opened: OpenCollection,
        records: Iterable[Passage | Reject],
        reject: Callable[[Reject], None],
        progress: Callable[[IngestReport], None],
        stopping: Callable[[], bool],
        report: IngestReport,
    ) -> IngestReport:
        """Bring ``records`` into the collection; the parameters are those of `IngestWorker.run`."""
        if self._settings.index:
            self.store.index_fields(self._settings.index)
        size = self._settings.batch_size
        worker = IngestWorker(self.generator, self._encoder, self.store, opened, size, self._lenient)
        return worker.run(records, reject, progress, stopping, report)

    def estimate(self, opened: OpenCollection, records: Iterable[Passage | Reject]) -> Estimate:
        """What `run` would do and cost; writes nothing."""
        queries, size = self._settings.generator.queries_per_language, self._settings.batch_size
        found = estimate(records, self.generator, self._encoder, self.store, opened, queries, size)
        tell_left_over(self.generator)
        return found
