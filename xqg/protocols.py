"""The three parts that can be exchanged: query generator, encoder and vector store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from xqg.records import FieldMatch, GeneratedQuery, Hit, LedgerEntry, Passage, Translation, Vectors


@dataclass(frozen=True)
class Failure:
    """A passage and language of which a generator cannot say whether there are queries: it got no answer, or rubbish.

    ``reason``: in the other side's own words, in one line. ``refused``: it will not write any for this passage, so
    there is nothing to ask for again.
    """

    passage_id: str
    language: str
    reason: str
    refused: bool = False


@dataclass(frozen=True)
class Generation:
    """The outcome of one call of a generator: what was kept, how many texts were dropped by reason, what failed."""

    queries: tuple[GeneratedQuery, ...]
    dropped: Mapping[str, int]
    translations: tuple[Translation, ...] = ()
    failures: tuple[Failure, ...] = ()

    @staticmethod
    def joined(parts: Sequence[Generation]) -> Generation:
        """Several outcomes as one, in their order."""
        return Generation(
            tuple(query for part in parts for query in part.queries),
            dict(sum((Counter(part.dropped) for part in parts), Counter[str]())),
            tuple(translation for part in parts for translation in part.translations),
            tuple(failure for part in parts for failure in part.failures),
        )


class Translator(Protocol):
    """Translates single sentences and titles."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """What changes the translations (engine, model, revision), as JSON; loads no weights."""

    @property
    def metered(self) -> bool:
        """Whether calls cost money, so that a dry run must not make any."""

    def check(self) -> None:
        """Raise, without loading weights, if it cannot be used. :raises XqgError: says why."""

    def translate(self, texts: Sequence[str], source: str, target: str) -> Iterator[tuple[str, str]]:
        """Each of ``texts`` with its translation, as they are done, in any order; "" where there is none.

        :param source: ISO 639-1 code of the language of all of them.
        :raises GenerationError: if there is no model for this pair, or the engine or endpoint fails.
        """


class QueryGenerator(Protocol):
    """Writes, for a passage, what helps speakers of a language to find it: their questions, or translations."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """What changes the queries (model, revision, prompt, sampling, seed), as JSON; loads no weights."""

    @property
    def metered(self) -> bool:
        """Whether calls cost money, so that a dry run must not make any."""

    def languages(self) -> tuple[str, ...]:
        """The target languages where none were named: those of a ``file:`` generator, else ()."""

    def check(self) -> None:
        """Raise, without loading weights, if the model cannot be loaded. :raises XqgError: says why."""

    def generate(self, requests: Sequence[tuple[Passage, Sequence[str]]]) -> Generation:
        """Queries or translations of each passage in each of its languages, in the order of the requests.

        :param requests: passages with the languages (ISO 639-1) to write in; may differ by passage.
        :raises GenerationError: if the model or the endpoint fails.
        """


@runtime_checkable
class WrittenQueries(Protocol):
    """A `QueryGenerator` whose queries were written for certain passages, so that some may belong to none."""

    def meet(self, passages: Sequence[Passage]) -> None:
        """Take note of passages of this run."""

    def left_over(self) -> str | None:
        """A sentence about the queries that belong to no passage that was met; None where all do."""


class Encoder(Protocol):
    """Turns texts into vectors; its two sides have two methods, and prefixes belong to it."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """What changes the vectors (model, revision, pooling, prefixes, normalisation), as JSON; loads no weights."""

    @property
    def dimension(self) -> int:
        """Length of the vectors; loads no weights."""

    @property
    def distance(self) -> str:
        """The similarity its vectors are made for, "cosine" or "dot"; loads no weights."""

    def check(self) -> None:
        """Raise, without loading weights, if the model cannot be loaded. :raises XqgError: says why."""

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Vectors of questions, shape (len(texts), dimension), float32."""

    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        """Vectors of passages (title and text), shape (len(passages), dimension), float32."""

    def count_tokens(self, text: str) -> int:
        """Number of tokens of ``text`` for this model; loads no weights but the tokenizer."""


@dataclass(frozen=True)
class Collection:
    """What a store says of a collection: vector size, distance ("cosine" or "dot"), points, xqg's metadata.

    ``multivector``: a point has one row or more, and its score is that of the row nearest to the query (MaxSim);
    else it has exactly one. ``most_rows`` is how many rows of a point the store takes; None where it sets no bound.
    """

    dimension: int
    distance: str
    points: int
    metadata: Mapping[str, Any]
    multivector: bool = False
    most_rows: int | None = None


@dataclass(frozen=True)
class Point:
    """A passage as it is stored: its queries by language, its hashes, and the rows that a question is compared with.

    ``rows`` has shape (r, dimension), float32, r >= 1, and r = 1 in a collection that is no multivector one; None where
    they were not asked for, or where the point has no vector.
    """

    passage: Passage
    entry: LedgerEntry
    rows: Vectors | None = None


class VectorStore(Protocol):
    """One collection in one place. Every method raises `StoreError` (or `StoreUnreachableError`) on failure."""

    def describe(self) -> Collection | None:
        """The collection as it is, or None if there is none."""

    def create(self, dimension: int, distance: str, metadata: Mapping[str, Any], multivector: bool = False) -> None:
        """Make the collection, empty.

        :param multivector: its points have one row or more each, instead of exactly one.
        :raises StoreError: if it exists.
        """

    def write_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Replace xqg's metadata of the collection."""

    def ledger(self, passage_ids: Sequence[str]) -> dict[str, LedgerEntry]:
        """What is known of those of the passages that are stored; the others are left out."""

    def upsert(self, points: Sequence[Point]) -> None:
        """Store the points, idempotent by `point_id`; returns when they are durable and searchable.

        :raises StoreError: if a point has no row, several in a collection that takes one, or rows of another size or
            with NaN or infinity; then no point of the batch counts.
        """

    def delete(self, passage_ids: Sequence[str]) -> None:
        """Delete these passages; those that are not there do not matter."""

    def index_fields(self, fields: Sequence[str]) -> None:
        """Index the fields that filters ask for, each ``KEY:TYPE`` in Qdrant's names, where the store has indexes."""

    def search(
        self, vectors: Vectors, limit: int, filters: Sequence[FieldMatch] = (), exact: bool = False
    ) -> list[list[Hit]]:
        """The nearest passages of each query vector, best first, at most ``limit`` each.

        :param vectors: shape (queries, dimension).
        :param exact: look at every point instead of the approximate index.
        :raises StoreError: also where nothing is found because a filter's field is in no point.
        """

    def points(self, passage_ids: Sequence[str] | None = None, with_vectors: bool = False) -> Iterator[Point]:
        """The stored points with these ids (in their order, unknown ones left out); None means all, by point id."""

    def bulk_load(self) -> AbstractContextManager[None]:
        """While inside, the store may put off indexing; on leaving, also by an error, it indexes again."""

    def close(self) -> None:
        """Release files and connections; calling it twice does nothing."""
