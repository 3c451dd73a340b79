"""Makes pairs to train on where nobody asked: a generator writes, and what brings back its own passage is kept.

Round-trip consistency as a filter (Promptagator, Dai et al. 2022, arXiv 2209.11755), whose survivors the same generator
then learns from (expert iteration; ReST, Gulcehre et al. 2023, arXiv 2308.08998). Beside each of them stands what the
generator wrote worst for the same passage and language, first of all what is not in that language: from preferences it
learns what from good queries alone it does not (measured: README).
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from xqg.errors import InputError, SettingsError
from xqg.fusion.arrays import refuse_non_finite
from xqg.ingest.cleaning import LanguageCheck, comparable
from xqg.ingest.readers.jsonl import PlacedObject, read_objects
from xqg.protocols import Encoder, QueryGenerator
from xqg.records import GeneratedQuery, Passage, Reject
from xqg.training.encoding import Tell, encode_all
from xqg.training.measures import own_margins
from xqg.training.words import CountWords

MINIMUM_PASSAGES = 10
"""Among fewer, any query brings back its own."""

NEAR_COPY = 0.6
"""Share of character trigrams in common (Jaccard) from which on two queries are near copies."""

WORSE_BY = 0.025
"""The score of a rejected query is so much smaller, where nothing else is asked for; a score is a margin, as a cosine,
less what its words cost."""

UNKNOWN_WORD = 0.03
"""What a word that nobody writes costs: twice as much as the margins of two queries of a passage usually differ (0.015,
median of 896 queries for XQuAD), so that a query with an invented word gives way to most without."""

LIKE_LENGTH = 0.6
"""The shorter of a query and the one rejected in its place has at least this share of the other's length: longer
queries find their passage more easily, and length is not what is to be learnt."""

_BATCH = 32

Target = Callable[[Passage], Sequence[str]]


def no_words(query: GeneratedQuery, passage: Passage) -> int:
    """0: no word is looked up."""
    return 0


@dataclass(frozen=True)
class Standards:
    """What a query has to be to be learnt from.

    :param keep: at most so many are, for each passage in each language.
    :param detector: what cannot pass for its language is never kept, and the worst that can be written.
    :param languages: of the run, which a query could be in by mistake, besides its passage's.
    :param unknown_words: says how many words of a query nobody writes.
    :param worse_by: the score of a rejected query is so much smaller; infinity: only a wrong language rejects it.
    """

    keep: int
    detector: LanguageCheck
    languages: Sequence[str]
    unknown_words: CountWords = no_words
    worse_by: float = WORSE_BY


@dataclass(frozen=True)
class SelectedQuery:
    """A query worth learning from, and a worse one of the same passage and language, "" where there is none."""

    query: GeneratedQuery
    rejected: str


@dataclass
class SelectionReport:
    """Passages worked on, queries written for them, and queries kept, by language."""

    passages: int = 0
    rejected: int = 0
    written: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    interrupted: bool = False

    def to_json(self) -> dict[str, Any]:
        """The counts."""
        return self.__dict__ | {"written": dict(self.written), "kept": dict(self.kept)}


def write_pairs(
    passages: Iterable[Passage | Reject],
    generator: QueryGenerator,
    target: Target,
    encoder: Encoder,
    standards: Standards,
    out: Path,
    reject: Callable[[Reject], None] = lambda reject: None,
    tell: Tell = lambda text: None,
    stopping: Callable[[], bool] = lambda: False,
) -> SelectionReport:
    """Let ``generator`` write for ``passages``, and append what is worth learning from to ``out``, as JSON Lines.

    Called again with the same passages it goes on after the last one in ``out``. All passages and their vectors are
    held in memory.

    :param generator: should drop nothing for its language: ``standards`` have use for it.
    :param target: the languages to write in for a passage.
    :param stopping: asked after each batch. :param tell: is told in a few words what is being done.
    :raises InputError: if there are too few passages. :raises SettingsError: if ``out`` is of other passages.
    """
    report = SelectionReport()
    pool = list(_good(passages, report, reject))
    if len(pool) < MINIMUM_PASSAGES:
        raise InputError(
            f"There are {len(pool)} passages", f"at least {MINIMUM_PASSAGES} to choose between", "Add passages"
        )
    report.passages = start = _done(out, pool)
    selector = PairSelector(pool, encoder, standards, tell)
    with out.open("a", encoding="utf-8") as file:
        for first in range(start, len(pool), _BATCH):
            tell(f"{first} of {len(pool)} passages, {report.kept.total()} of {report.written.total()} queries kept")
            batch = pool[first : first + _BATCH]
            written = generator.generate([(passage, target(passage)) for passage in batch]).queries
            chosen = selector.select(written)
            for selected in chosen:
                record = _record(selector.passage(selected.query), selected)
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
            file.flush()
            report.passages += len(batch)
            report.written.update(query.language for query in written)
            report.kept.update(selected.query.language for selected in chosen)
            if stopping() and report.passages < len(pool):
                report.interrupted = True
                break
    return report


class PairSelector:
    """Keeps the queries that bring back their own passage first, those of the highest score, and no near copies.

    The score is the margin by which the own passage is nearer than the next, less `UNKNOWN_WORD` for each word that
    nobody writes; in a wrong language a query has the lowest of all.

    :param pool: the passages that the own one is found among; ids occur once.
    """

    def __init__(
        self,
        pool: Sequence[Passage],
        encoder: Encoder,
        standards: Standards,
        tell: Tell = lambda text: None,
    ) -> None:
        self._pool, self._encoder, self._standards = pool, encoder, standards
        self._rows = {passage.id: row for row, passage in enumerate(pool)}
        self._vectors = encode_all("encoding passages", pool, encoder.encode_passages, encoder.dimension, tell)

    def passage(self, query: GeneratedQuery) -> Passage:
        """The passage that a query was written for."""
        return self._pool[self._rows[query.passage_id]]

    def select(self, queries: Sequence[GeneratedQuery]) -> list[SelectedQuery]:
        """The queries worth learning from; in each language of a passage the highest score first."""
        if not queries:
            return []
        vectors = self._encoder.encode_queries([query.text for query in queries])
        refuse_non_finite(vectors, "queries")
        owners = np.array([self._rows[query.passage_id] for query in queries], dtype=np.int64)
        margins = own_margins(vectors, self._vectors, owners)
        written: dict[tuple[str, str], list[_Written]] = {}
        for query, margin in zip(queries, margins.tolist(), strict=True):
            written.setdefault((query.passage_id, query.language), []).append(self._judged(query, margin))
        return [selected for own in written.values() for selected in _choose(own, self._standards)]

    def _judged(self, query: GeneratedQuery, margin: float) -> _Written:
        passage = self.passage(query)
        rivals = (passage.language, *self._standards.languages)
        if not self._standards.detector.is_language(query.text, query.language, rivals):
            return _Written(query, -math.inf, -math.inf)
        return _Written(query, margin, margin - UNKNOWN_WORD * self._standards.unknown_words(query, passage))


@dataclass(frozen=True)
class _Written:
    """A query, by how much its own passage is nearer than any other, and how good it is."""

    query: GeneratedQuery
    margin: float
    score: float


def _choose(written: Sequence[_Written], standards: Standards) -> list[SelectedQuery]:
    """The best of one passage and language, each with the worst that is left of like length."""
    ordered = sorted(written, key=lambda found: -found.score)
    kept: list[_Written] = []
    for found in ordered:
        fresh = all(likeness(found.query.text, other.query.text) < NEAR_COPY for other in kept)
        if found.margin > 0 and len(kept) < standards.keep and fresh:
            kept.append(found)
    worse = [found for found in reversed(ordered) if found not in kept]
    selected: list[SelectedQuery] = []
    for better in kept:
        against = next((found for found in worse if _is_worse(found, better, standards.worse_by)), None)
        if against is not None:
            worse.remove(against)
        selected.append(SelectedQuery(better.query, "" if against is None else against.query.text))
    return selected


def _is_worse(found: _Written, better: _Written, by: float) -> bool:
    shorter, longer = sorted((len(found.query.text), len(better.query.text)))
    return found.score <= better.score - by and shorter >= LIKE_LENGTH * longer


def likeness(first: str, second: str) -> float:
    """Jaccard similarity of the character trigrams of two texts, whatever their case; from 0 to 1."""
    ours, theirs = _trigrams(first), _trigrams(second)
    return len(ours & theirs) / len(ours | theirs)


def _trigrams(text: str) -> set[str]:
    text = comparable(text)
    return {text[start : start + 3] for start in range(max(1, len(text) - 2))}


def _good(
    passages: Iterable[Passage | Reject], report: SelectionReport, reject: Callable[[Reject], None]
) -> Iterator[Passage]:
    for found in passages:
        if isinstance(found, Reject):
            reject(found)
            report.rejected += 1
        else:
            yield found


def _done(out: Path, pool: Sequence[Passage]) -> int:
    """How many of the passages an earlier run has worked on: all up to the last one in its file."""
    last = None
    if out.exists():
        for found in read_objects(str(out)):
            last = found.value if isinstance(found, PlacedObject) else found.record
    if last is None:
        return 0
    for place, passage in reversed(list(enumerate(pool))):
        if isinstance(last, dict) and (passage.title, passage.text) == (last.get("title"), last.get("text")):
            return place + 1
    raise SettingsError(f"{out} ends with another passage", "pairs of these passages, to go on", "Name another --out")


def _record(passage: Passage, selected: SelectedQuery) -> dict[str, str]:
    return {
        "title": passage.title,
        "text": passage.text,
        "passage_language": passage.language,
        "language": selected.query.language,
        "query": selected.query.text,
        **({"rejected": selected.rejected} if selected.rejected else {}),
    }
