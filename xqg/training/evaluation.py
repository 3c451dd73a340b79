"""Measures query generators side by side with people, on the same passages and in the same languages."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np

from xqg.errors import InputError, SettingsError
from xqg.fusion.arrays import refuse_non_finite
from xqg.generators.cleaning import LanguageCheck
from xqg.generators.prompts import TrainedStyle
from xqg.protocols import Encoder, QueryGenerator
from xqg.records import GeneratedQuery, Passage, Vectors, content_hash
from xqg.training.pairs import read_pairs
from xqg.training.query_measures import QueryMeasures, distinct_bigrams, measure_queries, own_ranks
from xqg.training.training_settings import EvaluationSettings

HUMAN = "human"
SAMPLES = 10
"""Outputs shown for each language, drawn at random."""

_PASSAGES_AT_ONCE = 16
_TEXTS_AT_ONCE = 64

Item = TypeVar("Item", str, Passage)
Tell = Callable[[str], None]
"""Is told in a few words what is being done."""


class EveryLanguage:
    """Refuses nothing: what a generator writes in a wrong language has to be counted here, not dropped before."""

    def is_language(self, text: str, language: str, rivals: Sequence[str] = ()) -> bool:
        """True."""
        return True


@dataclass(frozen=True)
class EvaluationData:
    """What generators are measured on.

    ``human``: people's queries of ``passages`` in ``languages``. ``pool``: the passages that the own one has to be
    found among, itself included. ``rejected``: records that could not be read.
    """

    passages: tuple[Passage, ...]
    human: tuple[GeneratedQuery, ...]
    languages: tuple[str, ...]
    pool: tuple[Passage, ...]
    style: TrainedStyle
    rejected: int


@dataclass(frozen=True)
class RankedQuery:
    """A query with the rank of its own passage, and whether it passes for its language."""

    query: GeneratedQuery
    rank: int
    right_language: bool


@dataclass(frozen=True)
class Writer:
    """A generator, or people, with what they wrote; ``seconds`` it took, None for people."""

    name: str
    seconds: float | None
    queries: tuple[RankedQuery, ...]

    def written_in(self, language: str) -> list[RankedQuery]:
        """Its queries in one language."""
        return [ranked for ranked in self.queries if ranked.query.language == language]


@dataclass(frozen=True)
class GeneratorEvaluation:
    """The writers, people last, with their measures by name and language.

    People have measures only in the languages they asked in.
    """

    settings: EvaluationSettings
    data: EvaluationData
    writers: tuple[Writer, ...]
    measures: Mapping[str, Mapping[str, QueryMeasures]]


def read_evaluation_data(settings: EvaluationSettings) -> EvaluationData:
    """The passages to write for, people's queries of them, and the pool.

    :raises InputError: if a file cannot be read, or they hold no pairs.
    :raises SettingsError: if there are no languages to write in.
    """
    found = read_pairs(settings.data)
    if not found.groups:
        raise InputError(
            f"The data holds no usable pairs, {len(found.rejects)} records were rejected", "passages with queries"
        )
    groups = list(found.groups)
    if settings.passages is not None and settings.passages < len(groups):
        order = np.random.default_rng([settings.seed, 4]).permutation(len(groups))
        groups = [groups[place] for place in sorted(order[: settings.passages])]
    passages = tuple(group.passages[0] for group in groups)
    if len({passage.id for passage in passages}) < len(passages):
        raise InputError("Different passages have the same id", "one id for each", "Name one source of data only")
    own = {passage.language for passage in passages}
    asked = dict.fromkeys(sorted({query.language for group in groups for query in group.queries} - own))
    languages = settings.languages or tuple(asked)
    if not languages:
        raise SettingsError("All queries are in their passages' languages", "", "Name others with --languages")
    human = [
        GeneratedQuery(passage.id, query.language, query.text)
        for group, passage in zip(groups, passages, strict=True)
        for query in group.queries
        if query.language in languages
    ]
    others = [group.passages[0] for group in (*found.groups, *read_pairs(settings.pool).groups)]
    pool = {content_hash(passage): passage for passage in (*passages, *others)}
    return EvaluationData(
        passages, tuple(human), languages, tuple(pool.values()), settings.data[0].style, len(found.rejects)
    )


def evaluate_generators(
    settings: EvaluationSettings,
    data: EvaluationData,
    generators: Mapping[str, QueryGenerator],
    encoder: Encoder,
    detector: LanguageCheck,
    tell: Tell,
) -> GeneratorEvaluation:
    """Let each generator write for the passages, and measure it and people with the same encoder and detector.

    :param generators: by name; built with `EveryLanguage`, so that they drop nothing for its language.
    :raises GenerationError: if a generator fails. :raises EncodingError: if vectors are not finite.
    """
    ranker = _Ranker(data, encoder, detector, tell)
    writers: list[Writer] = []
    for name, generator in generators.items():
        start = time.monotonic()
        queries = list(_write(name, generator, data, settings.queries_per_language, tell))
        writers.append(Writer(name, time.monotonic() - start, ranker.rank(name, queries)))
    writers.append(Writer(HUMAN, None, ranker.rank(HUMAN, data.human)))
    return GeneratorEvaluation(settings, data, tuple(writers), _measure(writers, settings, data))


def draw_samples(writer: Writer, language: str, seed: int) -> list[RankedQuery]:
    """At most `SAMPLES` queries of a writer in a language, drawn at random with the seed."""
    found = writer.written_in(language)
    order = np.random.default_rng([seed, 5]).permutation(len(found))
    return [found[place] for place in order[:SAMPLES]]


def _write(
    name: str, generator: QueryGenerator, data: EvaluationData, count: int, tell: Tell
) -> Iterator[GeneratedQuery]:
    asked = len(data.passages) * len(data.languages) * count
    start, found = time.monotonic(), 0
    for first in range(0, len(data.passages), _PASSAGES_AT_ONCE):
        rate = f" at {found / (time.monotonic() - start):.1f}/s" if found else ""
        tell(f"{name}: {found} of at most {asked} queries{rate}")
        batch = data.passages[first : first + _PASSAGES_AT_ONCE]
        queries = generator.generate([(passage, data.languages) for passage in batch]).queries
        found += len(queries)
        yield from queries


class _Ranker:
    """Finds the rank of each query's own passage in the pool, whose vectors are made once."""

    def __init__(self, data: EvaluationData, encoder: Encoder, detector: LanguageCheck, tell: Tell) -> None:
        self._data, self._encoder, self._detector, self._tell = data, encoder, detector, tell
        self._passages = {passage.id: passage for passage in data.passages}
        rows = {content_hash(passage): row for row, passage in enumerate(data.pool)}
        self._rows = {passage.id: rows[content_hash(passage)] for passage in data.passages}

    def rank(self, name: str, queries: Sequence[GeneratedQuery]) -> tuple[RankedQuery, ...]:
        """The queries with the ranks of their own passages."""
        texts = [query.text for query in queries]
        vectors = self._encode(f"{name}: encoding queries", texts, self._encoder.encode_queries)
        own = np.array([self._rows[query.passage_id] for query in queries], dtype=np.int64)
        ranks = own_ranks(vectors, self._pool, own)
        return tuple(
            RankedQuery(query, int(rank), self._is_right(query)) for query, rank in zip(queries, ranks, strict=True)
        )

    @cached_property
    def _pool(self) -> Vectors:
        return self._encode("encoding passages", self._data.pool, self._encoder.encode_passages)

    def _encode(self, what: str, items: Sequence[Item], encode: Callable[[Sequence[Item]], Vectors]) -> Vectors:
        parts = [np.empty((0, self._encoder.dimension), dtype=np.float32)]
        for first in range(0, len(items), _TEXTS_AT_ONCE):
            self._tell(f"{what}: {first} of {len(items)}")
            parts.append(encode(items[first : first + _TEXTS_AT_ONCE]))
        vectors = np.concatenate(parts)
        refuse_non_finite(vectors, what)
        return vectors

    def _is_right(self, query: GeneratedQuery) -> bool:
        rivals = dict.fromkeys([self._passages[query.passage_id].language, *self._data.languages])
        return self._detector.is_language(query.text, query.language, [*rivals])


def _measure(
    writers: Sequence[Writer], settings: EvaluationSettings, data: EvaluationData
) -> dict[str, dict[str, QueryMeasures]]:
    found: dict[str, dict[str, QueryMeasures]] = {writer.name: {} for writer in writers}
    asked = len(data.passages) * settings.queries_per_language
    for language in data.languages:
        own = {writer.name: writer.written_in(language) for writer in writers}
        # distinct-2 falls with the number of texts, so all writers are measured on equally many
        equal = min((len(ranked) for ranked in own.values() if ranked), default=0)
        for name, ranked in own.items():
            if name == HUMAN and not ranked:
                continue
            texts = [item.query.text for item in ranked]
            order = np.random.default_rng([settings.seed, 6]).permutation(len(texts))[:equal]
            found[name][language] = measure_queries(
                texts,
                [item.right_language for item in ranked],
                [item.rank for item in ranked],
                None if name == HUMAN else asked,
                distinct_bigrams([texts[place] for place in order]),
            )
    return found
