"""Routes of questions: search, and compare plain vectors with what xqg stores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from time import perf_counter
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field

from xqg.console import hit_to_json
from xqg.evaluation.measures import reciprocal_rank
from xqg.languages import known_language
from xqg.protocols import VectorStore
from xqg.records import Hit, Vectors
from xqg.search.searcher import Searcher
from xqg.search.show import passage_to_json
from xqg.service.answers import Answer
from xqg.service.plain import ENCODED_BY_REQUESTS, PlainVectors
from xqg.service.routes_collections import require_store
from xqg.service.service import Here, Name, Service

router = APIRouter(prefix="/v1/collections/{name}", tags=["questions"])

DEPTH = 10
"""How far down the measures of labelled questions look."""

Text = Annotated[str, Field(max_length=4096)]
Key = Annotated[str, Field(max_length=256)]
Value = bool | int | Annotated[float, Field(allow_inf_nan=False)] | Text
Values = Value | Annotated[list[Value], Field(max_length=1000)]
Query = Annotated[str, Field(min_length=1, max_length=10_000)]
Language = Annotated[str | None, Field(max_length=64, description="of the question; not given: detected")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Question(_Body):
    """What is asked, and how many hits are wanted."""

    query: Query
    k: int = Field(10, ge=1, le=1000)
    filters: dict[Key, Values | dict[Key, Values]] | list[Text] = Field(
        default_factory=dict, max_length=32, description='by key, as {"year": {">=": 2023}}, or texts as "year>=2023"'
    )
    language: Language = None
    explain: bool = Field(False, description="with the piece of each hit that is closest to the question")


class LabelledQuestion(_Body):
    """A question whose answer is known."""

    query: Query
    language: Language = None
    passage_id: Text | list[Text]
    id: str | int | None = None


class Comparison(_Body):
    """One question, or many with their answers."""

    query: Query | None = None
    queries: list[LabelledQuestion] = Field(default_factory=list, max_length=2000)
    k: int = Field(5, ge=1, le=100)
    language: Language = None


@router.post("/search")
def search(name: Name, question: Question, here: Here) -> Answer:
    """The passages nearest to a question in any language, best first."""
    began = perf_counter()
    require_store(here, name)
    found = here.parts.searcher(name)
    hits: list[dict[str, Any]] = []
    if found is not None:
        ranked = found[0].search(question.query, question.k, question.filters)
        hits = (
            _explained(found[0], question.query, ranked) if question.explain else [hit_to_json(hit) for hit in ranked]
        )
    language = _language(here, question)
    return Answer({"hits": hits, "language": language, "seconds": round(perf_counter() - began, 4)})


@router.post("/compare")
def compare(name: Name, asked: Comparison, here: Here) -> Answer:
    """The hits of one question with plain vectors and with xqg; or, of labelled questions, both by language.

    By language: R@1 and MRR@10. Chunks of a document count as the document.
    """
    store = require_store(here, name)
    if (asked.query is None) == (not asked.queries):
        raise HTTPException(422, "Send either query, or queries with their passage_id")
    searcher, plain = None, here.runner.plain_vectors(name)
    if store is not None and (found := here.parts.searcher(name)) is not None:
        searcher, encoder = found
        plain.update(store, encoder, ENCODED_BY_REQUESTS)
    if asked.query is None:
        languages = [_language(here, question) for question in asked.queries]
        return Answer({"languages": {} if searcher is None else _measure(searcher, plain, asked.queries, languages)})
    both: dict[str, Any] = {"plain": [], "xqg": []}
    if store is not None and searcher is not None:
        both = _both_rankings(searcher, store, plain, asked.query, asked.k)
    return Answer({"language": _language(here, asked), **{name: {"hits": hits} for name, hits in both.items()}})


def _both_rankings(
    searcher: Searcher, store: VectorStore, plain: PlainVectors, query: str, limit: int
) -> dict[str, list[dict[str, Any]]]:
    vectors = searcher.encode([query])
    (before,), (after,) = plain.search(vectors, limit), searcher.search_encoded(vectors, limit)
    points = {point.passage.id: point for point in store.points([key for key, _ in before])}
    found = [
        {"rank": rank, "score": score, **passage_to_json(points[key].passage)}
        for rank, (key, score) in enumerate(before, start=1)
        if key in points
    ]
    return {"plain": found, "xqg": _explained(searcher, vectors[0], after)}


def _explained(searcher: Searcher, query: str | Vectors, hits: Sequence[Hit]) -> list[dict[str, Any]]:
    return [hit_to_json(*pair) for pair in zip(hits, searcher.explain(query, hits), strict=True)]


def _measure(
    searcher: Searcher, plain: PlainVectors, questions: Sequence[LabelledQuestion], languages: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """R@1 and MRR@10 by language, plain and xqg."""
    vectors = searcher.encode([question.query for question in questions])
    before = [[key for key, _ in found] for found in plain.search(vectors, DEPTH)]
    after = [[hit.passage.id for hit in found] for found in searcher.search_encoded(vectors, DEPTH)]
    ranks: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for question, language, first, second in zip(questions, languages, before, after, strict=True):
        named = question.passage_id
        wanted = {named} if isinstance(named, str) else set(named)
        ranks[language].append((_reciprocal_rank(first, wanted), _reciprocal_rank(second, wanted)))
    return {
        language: {
            "questions": len(pairs),
            "plain": _means([first for first, _ in pairs]),
            "xqg": _means([second for _, second in pairs]),
        }
        for language, pairs in sorted(ranks.items())
    }


def _reciprocal_rank(found: Sequence[str], wanted: set[str]) -> float:
    """Chunks of a document count as the document."""
    documents = list(dict.fromkeys(key if key in wanted else key.rpartition("#")[0] or key for key in found))
    return reciprocal_rank(documents, wanted, DEPTH)


def _means(ranks: Sequence[float]) -> dict[str, float]:
    """The measures over reciprocal ranks, of which 1 is a first hit and 0 none."""
    return {
        "recall@1": round(sum(rank == 1 for rank in ranks) / len(ranks), 4),
        "mrr@10": round(sum(ranks) / len(ranks), 4),
    }


def _language(here: Service, asked: Question | LabelledQuestion | Comparison) -> str:
    return known_language(asked.language) or here.parts.detector.detect(asked.query or "")
