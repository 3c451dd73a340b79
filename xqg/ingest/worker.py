"""The ingestion worker (plan a batch, generate what is missing, encode, fuse, upsert), and the pipeline around it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from itertools import islice

import numpy as np

from xqg.errors import StoreUnreachableError, XqgError
from xqg.fusion.arrays import finite_rows
from xqg.fusion.pieces import Piece, PieceKind, passage_pieces, query_pieces
from xqg.fusion.rules import PieceVectors, fuse, limit_views, piece_vectors, select_pieces
from xqg.ingest.collection import FindProfile, OpenCollection, finish_update, open_collection
from xqg.ingest.estimate import Estimate, estimate
from xqg.ingest.failures import FailureTally, meet, tell_left_over
from xqg.ingest.ingest_report import IngestReport
from xqg.ingest.plan import Work, by_passage, open_languages, plan
from xqg.ingest.removal import delete_stale_chunks
from xqg.metadata import NOT_KEPT
from xqg.protocols import Encoder, Generation, Point, QueryGenerator, VectorStore, WrittenQueries
from xqg.records import LedgerEntry, Passage, Reject, Texts, Vectors
from xqg.settings import IngestSettings
from xqg.stores.augmented import SourcePassage

Refuse = Callable[[Reject], None]


class IngestWorker:
    """Brings passages into an opened collection, batch by batch.

    Every batch is durable before the next one starts, and a batch is the unit of generation, so a run that
    is killed at any point and started again ends in the same collection as one that was left alone.

    :param lenient: where a batch fails, its passages are tried one by one: those that fail are rejects, unless all of
        them do, for then the passages are not the cause.
    """

    def __init__(
        self,
        generator: QueryGenerator | None,
        encoder: Encoder,
        store: VectorStore,
        opened: OpenCollection,
        batch_size: int,
        lenient: bool = False,
    ) -> None:
        self._generator, self._encoder, self._store = generator, encoder, store
        self._opened, self._batch_size, self._lenient = opened, batch_size, lenient
        self._tally = FailureTally()
        self._report = IngestReport()

    def run(
        self,
        records: Iterable[Passage | Reject],
        reject: Refuse,
        progress: Callable[[IngestReport], None] = lambda report: None,
        stopping: Callable[[], bool] = lambda: False,
        report: IngestReport | None = None,
    ) -> IngestReport:
        """Ingest ``records`` and return the counts.

        :param reject: takes every record that was not stored.
        :param progress: called after every batch with the counts so far.
        :param stopping: called after every batch; True ends the run with ``interrupted`` set.
        :param report: counts to add to; None: new ones.
        :raises XqgError: if a part fails for good; every batch before it is stored.
        """
        self._report = report = IngestReport() if report is None else report

        def refuse(record: Reject) -> None:
            report.rejected += 1
            reject(record)

        passages = _accepted(records, refuse)
        with self._store.bulk_load():
            while not report.interrupted and (batch := self._next_batch(passages)):
                self._ingest_or_split(batch, refuse)
                progress(report)
                report.interrupted = stopping()
        if self._opened.updating and not report.interrupted:
            report.outdated = finish_update(self._store, self._opened)
        if not report.interrupted:
            self._tally.finish()
        return report

    def _next_batch(self, passages: Iterator[Passage]) -> list[Passage]:
        with self._report.timed("read"):
            batch = list(islice(passages, self._batch_size))
        self._report.read += len(batch)
        meet(self._generator, batch)
        return batch

    def _ingest(self, batch: Sequence[Passage], refuse: Refuse) -> None:
        report = self._report
        with report.timed("check"):
            known = {} if self._opened.fresh else self._store.ledger([passage.id for passage in batch])
            work = plan(batch, known, self._opened.target)
        written = self._generate(work, sum(len(self._opened.target.languages_for(passage)) for passage in batch))
        changed = [(item, texts) for item, texts in zip(work, written, strict=True) if not item.is_stored(texts)]
        report.skipped += len(batch) - len(changed)
        if not changed:
            return
        with report.timed("encode"):
            own, pieces = self._encode(changed)
        with report.timed("fuse"):
            points = self._fuse(changed, own, pieces, refuse)
        with report.timed("store"):
            if not self._opened.fresh:
                delete_stale_chunks(self._store, _finished_documents(points), {point.passage.id for point in points})
            self._store.upsert(points)
        report.upserted += len(points)

    def _generate(self, work: Sequence[Work], wanted: int) -> list[Texts]:
        """The texts of each item of work: those it keeps, and new ones for the languages it lacks.

        :param wanted: languages over all passages of the batch.
        """
        report = self._report
        kept = [found for item in work for found in (item.kept.queries, item.kept.translations)]
        report.reused += sum(len(texts) for found in kept for texts in found.values())
        if self._generator is None:
            return [item.kept for item in work]
        requests = [(item.passage, item.missing) for item in work if item.missing]
        with report.timed("generate"):
            possible = [
                (passage, languages)
                for passage, languages in requests
                if not isinstance(passage, SourcePassage) or passage.is_augmentable
            ]
            generation = self._generator.generate(possible) if possible else Generation((), {})
        if not requests:
            self._tally.wanted += wanted
        elif not isinstance(self._generator, WrittenQueries):
            self._tally.add(requests, generation, wanted)
        report.count_generation(generation, self._tally.failed, self._tally.refused)
        fresh, failed = by_passage(generation), open_languages(generation.failures)
        return [item.with_new(fresh.get(item.passage.id, Texts()), failed.get(item.passage.id, ())) for item in work]

    def _encode(self, work: Sequence[tuple[Work, Texts]]) -> tuple[Vectors, PieceVectors]:
        """The vectors of the passages, and of the pieces that the collection's rule adds to them.

        Generated passages are encoded as passages. Pieces whose vector is not finite are dropped.
        """
        passages = [item.passage for item, _ in work]
        pieces = [self._pieces(item.passage, texts) for item, texts in work]
        own = self._encoder.encode_passages(passages)
        flat = [piece for found in pieces for piece in found]
        vectors = np.empty((len(flat), self._encoder.dimension), dtype=np.float32)
        as_passage = np.array(
            [self._opened.generates_passages and piece.kind is PieceKind.QUERY for piece in flat], dtype=bool
        )
        if not as_passage.all():
            vectors[~as_passage] = self._encoder.encode_queries([flat[row].text for row in np.flatnonzero(~as_passage)])
        if as_passage.any():
            generated = [Passage("", flat[row].text) for row in np.flatnonzero(as_passage)]
            vectors[as_passage] = self._encoder.encode_passages(generated)
        fusion = self._opened.fusion
        encoded = piece_vectors(pieces, vectors, fusion.profile, fusion.rows)
        finite = finite_rows(encoded.vectors)
        if not finite.all():
            self._report.count_dropped({"not finite": int((~finite).sum())})
            encoded = select_pieces(encoded, finite)
        return own, encoded

    def _pieces(self, passage: Passage, texts: Texts) -> list[Piece]:
        wanted = texts.only(self._opened.target.languages_for(passage))
        if self._opened.fusion.rule.is_neutral:
            return passage_pieces(passage, wanted)
        return list(query_pieces(wanted.queries))

    def _fuse(
        self, work: Sequence[tuple[Work, Texts]], own: Vectors, pieces: PieceVectors, refuse: Refuse
    ) -> list[Point]:
        """The points to store; passages whose vector is not finite are refused."""
        sound = finite_rows(own)
        limited = limit_views(pieces, self._opened.most_views)
        rows = fuse(np.where(sound[:, None], own, 0), limited, self._opened.fusion).by_passage(len(work))
        points = []
        for (item, texts), found, is_sound in zip(work, rows, sound, strict=True):
            if is_sound:
                points.append(Point(item.passage, self._entry(item, texts), found))
            else:
                refuse(Reject("", 0, "the encoder's vector of this passage is not finite", asdict(item.passage)))
        return points

    def _entry(self, item: Work, texts: Texts) -> LedgerEntry:
        target, generation = self._opened.target, item.generation
        if not target.keeps_texts:
            generation, texts = generation + NOT_KEPT, Texts(dict.fromkeys(texts.queries, ()))
        return LedgerEntry(item.record_hash, item.content_hash, generation, target.fingerprint, texts)

    def _ingest_or_split(self, batch: Sequence[Passage], refuse: Refuse) -> None:
        before, refused = deepcopy(self._report), list[Reject]()
        try:
            self._ingest(batch, refused.append)
        except XqgError as error:
            if not self._lenient or isinstance(error, StoreUnreachableError):
                raise
            vars(self._report).update(vars(before))
            refused = self._ingest_one_by_one(batch, error)
        for reject in refused:
            refuse(reject)

    def _ingest_one_by_one(self, batch: Sequence[Passage], failure: XqgError) -> list[Reject]:
        """The passages that cannot be stored though others can. :raises XqgError: ``failure``, where none can.

        Of a batch of one, the others are those of earlier batches.
        """
        refused, failed, taken = list[Reject](), 0, self._report.upserted + self._report.skipped > 0
        for passage in batch:
            try:
                self._ingest([passage], refused.append)
            except StoreUnreachableError:
                raise
            except XqgError as error:
                failed += 1
                refused.append(Reject("", 0, str(error), asdict(passage)))
        if failed == len(batch) and (failed > 1 or not taken):
            raise failure
        return refused


def _accepted(records: Iterable[Passage | Reject], refuse: Refuse) -> Iterator[Passage]:
    for record in records:
        if isinstance(record, Passage):
            yield record
        else:
            refuse(record)


def _finished_documents(points: Sequence[Point]) -> Mapping[str, str]:
    """Id and hash of the documents whose last chunk is among ``points``; points of other software are no chunks.

    Only then are their older chunks deleted, and before the upsert: a run killed between the two finds the
    last chunk missing, stores it again, and deletes them then.
    """
    passages = [point.passage for point in points if not isinstance(point.passage, SourcePassage)]
    return {passage.document_id: passage.document_hash for passage in passages if passage.chunk == passage.chunks}


@dataclass(frozen=True)
class Pipeline:
    """Ingestions into one collection, with parts that are handed in.

    ``lenient``: a passage that a part fails on, where it takes others, is a reject (`IngestWorker`).
    """

    settings: IngestSettings
    generator: QueryGenerator | None
    encoder: Encoder
    store: VectorStore
    find_profile: FindProfile
    lenient: bool = False

    def open(self, dry_run: bool = False) -> OpenCollection:
        """The collection, as `open_collection` makes or finds it."""
        settings, generator = self.settings, self.generator
        named = settings.generator.languages
        languages = generator.languages() if generator is not None and not named else named
        return open_collection(self.store, self.encoder, generator, settings, languages, self.find_profile, dry_run)

    def worker(self, opened: OpenCollection) -> IngestWorker:
        """What brings records into the collection, which has the indexes asked for from then on."""
        if self.settings.index:
            self.store.index_fields(self.settings.index)
        size = self.settings.batch_size
        return IngestWorker(self.generator, self.encoder, self.store, opened, size, self.lenient)

    def estimate(self, opened: OpenCollection, records: Iterable[Passage | Reject]) -> Estimate:
        """What `run` would do and cost; writes nothing."""
        queries, size = self.settings.generator.queries_per_language, self.settings.batch_size
        found = estimate(records, self.generator, self.encoder, self.store, opened, queries, size)
        tell_left_over(self.generator)
        return found
