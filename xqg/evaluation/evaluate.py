"""Evaluates a searcher: one record for each query first, means by language and over languages from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xqg.evaluation.measures import (
    CUT,
    MEASURES,
    MRR,
    NDCG,
    RECALL_CUTS,
    TOKEN_CUTS,
    ndcg,
    recall,
    reciprocal_rank,
    token_recall,
)
from xqg.evaluation.queries import LabelledQuery
from xqg.evaluation.requirements import require_packages
from xqg.records import Hit
from xqg.search.searcher import Searcher

DEPTH = 100
BATCH_SIZE = 32
MACRO = "macro"
"""The name of the mean over languages, in which each counts the same however many queries it has."""


@dataclass(frozen=True)
class RankedDocument:
    """What was found, by the id it counts under, and its score."""

    id: str
    score: float


@dataclass(frozen=True)
class QueryResult:
    """One query, what it found (best first), and its value of every measure that it has a label for."""

    query: LabelledQuery
    ranking: tuple[RankedDocument, ...]
    values: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """Id, language, values, and the first ten of what was found."""
        found = [document.id for document in self.ranking[:CUT]]
        return {"id": self.query.id, "language": self.query.language, "values": dict(self.values), "found": found}


@dataclass(frozen=True)
class Evaluation:
    """The records of all queries; everything else is taken from them."""

    results: tuple[QueryResult, ...]

    def languages(self) -> dict[str, int]:
        """The number of queries in each language, in the order in which the languages first occur."""
        counts: dict[str, int] = {}
        for result in self.results:
            counts[result.query.language] = counts.get(result.query.language, 0) + 1
        return counts

    def measures(self) -> tuple[str, ...]:
        """The measures that at least one query has a value of."""
        return tuple(name for name in MEASURES if any(name in result.values for result in self.results))

    def values(self, measure: str) -> dict[str, list[float]]:
        """The values of the queries of each language, in their order; languages without any are left out."""
        values: dict[str, list[float]] = {}
        for result in self.results:
            if measure in result.values:
                values.setdefault(result.query.language, []).append(result.values[measure])
        return values

    def means(self, measure: str) -> dict[str, float]:
        """The mean of each language, and as "macro" the mean of these; {} if no query has a value."""
        means = {language: math.fsum(values) / len(values) for language, values in self.values(measure).items()}
        return {MACRO: math.fsum(means.values()) / len(means), **means} if means else {}


def evaluate(
    searcher: Searcher,
    queries: Sequence[LabelledQuery],
    measures: Sequence[str] = MEASURES,
    depth: int = DEPTH,
    exact: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> Evaluation:
    """Search every query and measure what comes back.

    A hit counts under the id of its document, chunks of one document once, at the best rank; where a relevant id is
    that of a chunk, that chunk counts by itself. A hit whose score is not finite is no hit.

    :param measures: some of `MEASURES`; all but nDCG@10 need no extra package.
    :param depth: passages to search; recall@100 cannot see beyond them.
    :param exact: look at every point. The default searches as users do, index and all.
    :param progress: called after every batch with the number of queries done.
    :raises MissingDependencyError: for nDCG@10 without ir-measures. :raises StoreError: if the store fails.
    """
    if NDCG in measures:
        require_packages("ir_measures")
    results: list[QueryResult] = []
    for start in range(0, len(queries), BATCH_SIZE):
        batch = queries[start : start + BATCH_SIZE]
        found = searcher.search_many([query.text for query in batch], depth, exact=exact)
        results += _measure(batch, found, measures)
        progress(len(results))
    return Evaluation(tuple(results))


def _measure(
    queries: Sequence[LabelledQuery], found: Sequence[Sequence[Hit]], measures: Sequence[str]
) -> list[QueryResult]:
    sound = [[hit for hit in hits if math.isfinite(hit.score)] for hits in found]
    rankings = [_documents(query, hits) for query, hits in zip(queries, sound, strict=True)]
    keys = [[document.id for document in ranking] for ranking in rankings]
    gains = ndcg(keys, [query.relevant for query in queries]) if NDCG in measures else [0.0] * len(queries)
    results = []
    for query, hits, ranking, ranked, gain in zip(queries, sound, rankings, keys, gains, strict=True):
        values = _token_values(query, hits, measures) | _rank_values(query, ranked, gain)
        asked = {name: values[name] for name in measures if name in values}
        results.append(QueryResult(query, tuple(ranking), asked))
    return results


def _token_values(query: LabelledQuery, hits: Sequence[Hit], measures: Sequence[str]) -> dict[str, float]:
    texts = [hit.passage.text for hit in hits]
    asked = {name: tokens for name, tokens in TOKEN_CUTS.items() if name in measures}
    values = {name: token_recall(texts, query.answers, tokens) for name, tokens in asked.items()}
    return {name: value for name, value in values.items() if value is not None}


def _rank_values(query: LabelledQuery, ranked: Sequence[str], gain: float) -> dict[str, float]:
    if not query.relevant:
        return {}
    recalls = {name: recall(ranked, query.relevant, cut) for name, cut in RECALL_CUTS.items()}
    return {**recalls, MRR: reciprocal_rank(ranked, query.relevant, CUT), NDCG: gain}


def _documents(query: LabelledQuery, hits: Sequence[Hit]) -> list[RankedDocument]:
    """The hits by document, each at its best rank."""
    best: dict[str, float] = {}
    for hit in hits:
        passage = hit.passage
        best.setdefault(passage.id if passage.id in query.relevant else passage.document_id, hit.score)
    return [RankedDocument(key, score) for key, score in best.items()]
