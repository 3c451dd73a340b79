"""Evaluates a searcher: one record for each query first, means by language and over languages from them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xqg.errors import InputError
from xqg.evaluation.measures import CUT, MEASURES, TOKEN_CUTS, rank_measures, token_recall
from xqg.evaluation.queries import LabelledQuery
from xqg.extras import require
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
        return dict(Counter(result.query.language for result in self.results))

    def only(self, languages: Collection[str]) -> Evaluation:
        """The queries in these languages."""
        return Evaluation(tuple(result for result in self.results if result.query.language in languages))

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
    depth: int = DEPTH,
    exact: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> Evaluation:
    """Search every query and measure what comes back.

    A hit counts under the id of its document, chunks of one document once, at the best rank; where a relevant id is
    that of a chunk, that chunk counts by itself. A hit whose score is not finite is no hit.

    :param depth: passages to search; recall@100 cannot see beyond them.
    :param exact: look at every point. The default searches as users do, index and all.
    :param progress: called after every batch with the number of queries done.
    :raises StoreError: if the store fails.
    """
    results: list[QueryResult] = []
    for start in range(0, len(queries), BATCH_SIZE):
        batch = queries[start : start + BATCH_SIZE]
        found = searcher.search_many([query.text for query in batch], depth, exact=exact)
        results += [_measure(query, hits) for query, hits in zip(batch, found, strict=True)]
        progress(len(results))
    return Evaluation(tuple(results))


def check_labels(searcher: Searcher, evaluation: Evaluation, collection: str) -> None:
    """See that every label matches a passage or a document: of one that is missing a query would count 0.

    :raises InputError: tells how many do not, and one of them. :raises StoreError: if the store fails.
    """
    found = {document.id for result in evaluation.results for document in result.ranking}
    labels = {key: result.query.id for result in evaluation.results for key in result.query.relevant}
    # the first chunk of a document that was split is ID#1
    missing = [key for key in labels if key not in found and not any(map(searcher.look_up, (key, f"{key}#1")))]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(labels)} labels match no passage of collection {collection!r}, "
            f"{missing[0]!r} of the query {labels[missing[0]]!r} among them",
            "ids of its passages or documents",
            "Ingest these passages, name the collection they are in, or take the labels out",
        )


def require_packages() -> None:
    """See that the extra ``evaluate`` is installed, without importing it.

    :raises MissingDependencyError: names the install line.
    """
    require("evaluate", "Evaluation", "matplotlib", "nltk", "scipy")


def _measure(query: LabelledQuery, hits: Sequence[Hit]) -> QueryResult:
    sound = [hit for hit in hits if math.isfinite(hit.score)]
    ranking = _documents(query, sound)
    texts = [hit.passage.text for hit in sound]
    found = {name: token_recall(texts, query.answers, tokens) for name, tokens in TOKEN_CUTS.items()}
    values = {name: value for name, value in found.items() if value is not None}
    if query.relevant:
        values |= rank_measures([document.id for document in ranking], query.relevant)
    return QueryResult(query, tuple(ranking), values)


def _documents(query: LabelledQuery, hits: Sequence[Hit]) -> list[RankedDocument]:
    """The hits by document, each at its best rank."""
    best: dict[str, float] = {}
    for hit in hits:
        passage = hit.passage
        best.setdefault(passage.id if passage.id in query.relevant else passage.document_id, hit.score)
    return [RankedDocument(key, score) for key, score in best.items()]
