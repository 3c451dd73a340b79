"""Plain against xQG, per language: the small evaluation behind ``xqg demo``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xqg.records import Hit
from xqg.search.measures import recall, reciprocal_rank
from xqg.search.searcher import Searcher

DEPTH = 10


@dataclass(frozen=True)
class Question:
    """A question in ``language`` with the one passage that answers it."""

    id: str
    language: str
    query: str
    passage_id: str


@dataclass(frozen=True)
class Scores:
    """Means over ``questions`` questions: recall at 1 and the mean reciprocal rank of the first ten."""

    questions: int
    recall_at_1: float
    mrr_at_10: float

    def to_json(self) -> dict[str, Any]:
        """The measures by their usual names."""
        return {"questions": self.questions, "R@1": self.recall_at_1, "MRR@10": self.mrr_at_10}


def evaluate(searcher: Searcher, questions: Sequence[Question]) -> dict[str, Scores]:
    """The scores by language, in the order in which the languages first occur; exact search."""
    hits = searcher.search_many([question.query for question in questions], DEPTH, exact=True)
    by_language: dict[str, list[tuple[float, float]]] = {}
    for question, found in zip(questions, hits, strict=True):
        by_language.setdefault(question.language, []).append(_score(found, question.passage_id))
    return {language: _mean(rows) for language, rows in by_language.items()}


def macro_average(scores: Mapping[str, Scores]) -> Scores:
    """The mean over languages: each counts the same, however many questions it has."""
    count = len(scores)
    return Scores(
        sum(item.questions for item in scores.values()),
        sum(item.recall_at_1 for item in scores.values()) / count,
        sum(item.mrr_at_10 for item in scores.values()) / count,
    )


def _score(hits: Sequence[Hit], passage_id: str) -> tuple[float, float]:
    ranked = [hit.passage.document_id for hit in hits]
    return recall(ranked, [passage_id], 1), reciprocal_rank(ranked, [passage_id], DEPTH)


def _mean(rows: Sequence[tuple[float, float]]) -> Scores:
    return Scores(len(rows), sum(row[0] for row in rows) / len(rows), sum(row[1] for row in rows) / len(rows))
