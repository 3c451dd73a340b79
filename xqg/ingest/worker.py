"""The ingestion worker: asks the store what it has, skips what is unchanged, generates, encodes, fuses, stores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict
from itertools import islice

import numpy as np

from xqg.errors import StoreUnreachableError, XqgError
from xqg.fingerprints import NOT_KEPT
from xqg.fusion.arrays import finite_rows
from xqg.fusion.pieces import Piece, PieceKind, passage_pieces, query_pieces
from xqg.fusion.rules import PieceVectors, fuse, limit_views, piece_vectors, select_pieces
from xqg.ingest.collection import Opened, finish_update
from xqg.ingest.failures import FailureTally
from xqg.ingest.ingest_report import IngestReport
from xqg.ingest.plan import Work, by_passage, open_languages, plan
from xqg.protocols import Encoder, Point, QueryGenerator, VectorStore, WrittenQueries
from xqg.records import LedgerEntry, Passage, Reject, Texts, content_hash, record_hash


class IngestWorker:
    """Brings passages into an opened collection, batch by batch.

    Every batch is durable before the next one starts, and a batch is the unit of generation, so a run that
    is killed at any point and started again ends in the same collection as one that was left alone.
    """

    def __init__(
        self,
        generator: QueryGenerator | None,
        encoder: Encoder,
        store: VectorStore,
        opened: Opened,
        batch_size: int,
        lenient: bool = False,
    ) -> None:
        """:param lenient: where a batch fails, its passages are tried one by one: those that fail are rejects, unless
        all of them do, which is no fault of theirs.
        """
        self._lenient = lenient
        self._generator, self._encoder, self._store = generator, encoder, store
        self._opened, self._batch_size = opened, batch_size
        self._tally = FailureTally()

    def run(
        self,
        records: Iterable[Passage | Reject],
        reject: Callable[[Reject], None],
        progress: Callable[[IngestReport], None] = lambda report: None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> IngestReport:
        """Ingest ``records`` and return the counts.

        :param reject: takes every record that was not stored.
        :param progress: called after every batch with the counts so far.
        :param stopping: asked after every batch; True ends the run with ``interrupted`` set.
        :raises XqgError: if a part fails for good; every batch before it is stored.
        """
        report = IngestReport()

        def refuse(record: Reject) -> None:
            report.rejected += 1
            reject(record)

        passages = _accepted(records, refuse)
        with self._store.bulk_load():
            while not report.interrupted and (batch := self._next_batch(passages, report)):
                self._ingest_or_split(batch, refuse, report)
                progress(report)
                report.interrupted = stopping()
        if self._opened.updating and not report.interrupted:
            report.outdated = finish_update(self._store, self._opened)
        if not report.interrupted:
            self._tally.finish()
        return report

    def _next_batch(self, passages: Iterator[Passage], report: IngestReport) -> list[Passage]:
        with report.timed("read"):
            batch = list(islice(passages, self._batch_size))
        report.read += len(batch)
        return batch

    def _ingest_or_split(
        self, batch: Sequence[Passage], refuse: Callable[[Reject], None], report: IngestReport
    ) -> None:
        if not self._lenient:
            self._ingest(batch, refuse, report)
            return
        before, refused = deepcopy(report), list[Reject]()
        try:
            self._ingest(batch, refused.append, report)
        except StoreUnreachableError:
            raise
        except XqgError as error:
            vars(report).update(vars(before))
            refused = self._ingest_one_by_one(batch, report, error)
        for reject in refused:
            refuse(reject)

    def _ingest_one_by_one(self, batch: Sequence[Passage], report: IngestReport, failure: XqgError) -> list[Reject]:
        """The passages that cannot be stored though others can. :raises XqgError: ``failure``, where none can.

        Of a batch of one, the others are those of earlier batches.
        """
        refused, failed, taken = list[Reject](), 0, report.upserted + report.skipped > 0
        for passage in batch:
            try:
                self._ingest([passage], refused.append, report)
            except StoreUnreachableError:
                raise
            except XqgError as error:
                failed += 1
                refused.append(Reject("", 0, str(error), asdict(passage)))
        if failed == len(batch) and (failed > 1 or not taken):
            raise failure
        return refused

    def _ingest(self, batch: Sequence[Passage], refuse: Callable[[Reject], None], report: IngestReport) -> None:
        with report.timed("check"):
            known = {} if self._opened.fresh else self._store.ledger([passage.id for passage in batch])
            work = plan(batch, known, self._opened.target)
        wanted = sum(len(self._opened.target.languages_for(passage)) for passage in batch)
        written = self._generate(work, wanted, report)
        changed = [(item, texts) for item, texts in zip(work, written, strict=True) if not item.is_stored(texts)]
        report.skipped += len(batch) - len(changed)
        if not changed:
            return
        points = self._encode_and_fuse(changed, refuse, report)
        with report.timed("store"):
            if not self._opened.fresh:
                self._store.delete_stale_chunks(_finished_documents(points))
            self._store.upsert(points)
        report.upserted += len(points)

    def _generate(self, work: Sequence[Work], wanted: int, report: IngestReport) -> list[Texts]:
        """The texts of each item of work: those it keeps, and new ones for the languages it lacks.

        :param wanted: languages over all passages of the batch.
        """
        requests = [(item.passage, item.missing) for item in work if item.missing]
        fresh: Mapping[str, Texts] = {}
        failed: Mapping[str, Sequence[str]] = {}
        if self._generator is not None and not requests:
            self._tally.wanted += wanted
        elif self._generator is not None:
            with report.timed("generate"):
                generation = self._generator.generate(requests)
            if not isinstance(self._generator, WrittenQueries):
                self._tally.add(requests, generation, wanted)
            fresh, failed = by_passage(generation), open_languages(generation.failures)
            report.failed, report.refused = self._tally.failed, self._tally.refused
            report.generated += len(generation.queries)
            report.translated += sum(len(translation.texts) for translation in generation.translations)
            report.count_dropped(generation.dropped)
        kept = [found for item in work for found in (item.kept.queries, item.kept.translations)]
        report.reused += sum(len(texts) for found in kept for texts in found.values())
        if self._generator is None:
            return [item.kept for item in work]
        return [item.with_new(fresh.get(item.passage.id, Texts()), failed.get(item.passage.id, ())) for item in work]

    def _encode_and_fuse(
        self, work: Sequence[tuple[Work, Texts]], refuse: Callable[[Reject], None], report: IngestReport
    ) -> list[Point]:
        """The points to store; passages whose vector is not finite are refused, such pieces only dropped."""
        passages = [item.passage for item, _ in work]
        pieces = [self._pieces(item.passage, texts) for item, texts in work]
        with report.timed("encode"):
            own = self._encoder.encode_passages(passages)
            encoded = self._encode_pieces(pieces)
        sound = finite_rows(own)
        finite = finite_rows(encoded.vectors)
        if not finite.all():
            report.count_dropped({"not finite": int((~finite).sum())})
            encoded = select_pieces(encoded, finite)
        with report.timed("fuse"):
            limited = limit_views(encoded, self._opened.most_views)
            rows = fuse(np.where(sound[:, None], own, 0), limited, self._opened.fusion).by_passage(len(passages))
        points = []
        for (item, texts), found, kept in zip(work, rows, sound, strict=True):
            if kept:
                points.append(Point(item.passage, self._entry(item, texts), found))
            else:
                refuse(Reject("", 0, "the encoder's vector of this passage is not finite", asdict(item.passage)))
        return points

    def _pieces(self, passage: Passage, texts: Texts) -> list[Piece]:
        """The pieces that the collection's rule adds to ``passage``."""
        asked = texts.only(self._opened.target.languages_for(passage))
        if self._opened.fusion.rule.is_neutral:
            return passage_pieces(passage, asked)
        return list(query_pieces(asked.queries))

    def _encode_pieces(self, pieces: Sequence[Sequence[Piece]]) -> PieceVectors:
        """The pieces of every passage as vectors, generated passages as such."""
        flat = [piece for found in pieces for piece in found]
        vectors = np.empty((len(flat), self._encoder.dimension), dtype=np.float32)
        as_passages = [self._opened.generates_passages and piece.kind is PieceKind.QUERY for piece in flat]
        asked = [row for row, is_passage in enumerate(as_passages) if not is_passage]
        written = [row for row, is_passage in enumerate(as_passages) if is_passage]
        if asked:
            vectors[asked] = self._encoder.encode_queries([flat[row].text for row in asked])
        if written:
            vectors[written] = self._encoder.encode_passages([Passage("", flat[row].text) for row in written])
        return piece_vectors(pieces, vectors, self._opened.fusion.profile)

    def _entry(self, item: Work, texts: Texts) -> LedgerEntry:
        passage, target, generation = item.passage, self._opened.target, item.generation
        if not target.keeps_texts:
            generation, texts = generation + NOT_KEPT, Texts(dict.fromkeys(texts.queries, ()))
        return LedgerEntry(record_hash(passage), content_hash(passage), generation, target.fingerprint, texts)


def _accepted(records: Iterable[Passage | Reject], refuse: Callable[[Reject], None]) -> Iterator[Passage]:
    for record in records:
        if isinstance(record, Passage):
            yield record
        else:
            refuse(record)


def _finished_documents(points: Sequence[Point]) -> dict[str, str]:
    """Id and hash of the documents whose last chunk is among ``points``.

    Only then are their older chunks deleted, and before the upsert: a run killed between the two finds the
    last chunk missing, stores it again, and comes by here again.
    """
    passages = [point.passage for point in points]
    return {passage.document_id: passage.document_hash for passage in passages if passage.chunk == passage.chunks}
