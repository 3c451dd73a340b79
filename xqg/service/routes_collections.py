"""Routes of collections: make, list, show, delete; search, and compare plain vectors with what xqg stores."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from time import perf_counter
from typing import Annotated, Any

from fastapi import APIRouter, Body, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field

from xqg.console import hit_to_json
from xqg.evaluation.measures import reciprocal_rank
from xqg.languages import known_language
from xqg.protocols import VectorStore
from xqg.records import Hit, Vectors
from xqg.search.searcher import Searcher
from xqg.search.show import describe_collection, passage_to_json
from xqg.service.answers import Answer, not_found
from xqg.service.jobs import QUEUED, RUNNING
from xqg.service.plain import ENCODED_BY_REQUESTS, PlainVectors
from xqg.service.service import Here, Name, Service
from xqg.stores.catalog import drop_collection

router = APIRouter(prefix="/v1/collections")

DEPTH = 10
"""How far down the measures of labelled questions look."""

Text = Annotated[str, Field(max_length=4096)]
Key = Annotated[str, Field(max_length=256)]
Value = bool | int | Annotated[float, Field(allow_inf_nan=False)] | Text
Values = Value | Annotated[list[Value], Field(max_length=1000)]
Asked = Annotated[str, Field(min_length=1, max_length=10_000)]
Language = Annotated[str | None, Field(max_length=64, description="of the question; not given: detected")]

MOST_COUNTED = 20_000
"""Passages of a collection whose queries are still counted at each request."""


@router.get("", tags=["collections"])
def list_collections(here: Here) -> Answer:
    """All collections with their number of passages and of jobs that wait or run."""
    waiting = Counter(job.collection for job in here.queue.recent(1000, states=(QUEUED, RUNNING)))
    rows = [{**_summary(here, name), "waiting": waiting[name]} for name in here.collection_names()]
    return Answer({"collections": rows})


@router.put("/{name}", tags=["collections"])
def make_collection(name: Name, here: Here, settings: Annotated[dict[str, Any] | None, Body()] = None) -> Answer:
    """Make a collection, with settings such as `{"generator": "none"}`; the same again changes nothing.

    Groups: encoder, generator, fusion, reader, with names as in the settings file. 409 where it has other settings.
    """
    new = here.registry.put(name, settings or {})
    return Answer(_summary(here, name), 201 if new else 200)


@router.get("/{name}", tags=["collections"])
def show_collection(name: Name, here: Here) -> Answer:
    """Passages, settings, and how many queries there are in each language."""
    summary = _summary(here, name)
    store = here.parts.readable(name)
    found = store.describe()
    if found is not None and found.metadata and found.points <= MOST_COUNTED:
        summary |= describe_collection(found, store)
    return Answer(summary)


@router.delete("/{name}", tags=["collections"])
def delete_collection(
    name: Name, here: Here, confirm: Annotated[bool, Query(description="must be true")] = False
) -> Answer:
    """Delete a collection with all its passages; waiting jobs are cancelled. 409 while one runs."""
    if not confirm:
        raise HTTPException(400, "Deleting a collection cannot be undone: add ?confirm=true")
    if name not in here.collection_names():
        raise not_found(f"collection {name!r}")
    for job in here.queue.recent(100_000, name, (QUEUED,)):
        here.workers.cancel(job.id)
    if here.queue.recent(1, name, (QUEUED, RUNNING)):
        raise HTTPException(409, "A job writes to this collection: cancel it and wait for its end")
    here.registry.drop(name)
    here.parts.forget(name)
    here.runner.plain_vectors(name).drop()
    drop_collection(here.parts.place(name))
    return Answer({"deleted": name})


def require_store(here: Service, name: str) -> VectorStore | None:
    """The store of a collection, to read; None where it holds nothing yet.

    :raises HTTPException: 404 where there is no such collection.
    """
    store = here.parts.readable(name)
    if store.describe() is not None:
        return store
    if here.registry.chosen(name) is None:
        here.parts.forget(name)  # a name that does not exist keeps no memory
        raise not_found(f"collection {name!r}", f"PUT /v1/collections/{name} makes it")
    return None


def _summary(here: Service, name: str) -> dict[str, Any]:
    """Name, size, state and chosen settings."""
    store = require_store(here, name)
    found = None if store is None else store.describe()
    return {
        "name": name,
        "passages": 0 if found is None else found.points,
        "state": "empty" if found is None else found.metadata.get("state", "not made by xqg"),
        "chosen": here.registry.chosen(name),
    }


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Question(_Body):
    """What is asked, and how many hits are wanted."""

    query: Asked
    k: int = Field(10, ge=1, le=1000)
    filters: dict[Key, Values | dict[Key, Values]] | list[Text] = Field(
        default_factory=dict, max_length=32, description='by key, as {"year": {">=": 2023}}, or texts as "year>=2023"'
    )
    language: Language = None
    explain: bool = Field(False, description="with the piece of each hit that is closest to the question")


class LabelledQuestion(_Body):
    """A question whose answer is known."""

    query: Asked
    language: Language = None
    passage_id: Text | list[Text]
    id: str | int | None = None


class Comparison(_Body):
    """One question, or many with their answers."""

    query: Asked | None = None
    queries: list[LabelledQuestion] = Field(default_factory=list, max_length=2000)
    k: int = Field(5, ge=1, le=100)
    language: Language = None


@router.post("/{name}/search", tags=["questions"])
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


@router.post("/{name}/compare", tags=["questions"])
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
        if store is None or searcher is None:
            return Answer({"languages": {}})
        languages = [_language(here, question) for question in asked.queries]
        return Answer({"languages": _measure(searcher, store, plain, asked.queries, languages)})
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
    searcher: Searcher,
    store: VectorStore,
    plain: PlainVectors,
    questions: Sequence[LabelledQuestion],
    languages: Sequence[str],
) -> dict[str, dict[str, Any]]:
    """R@1 and MRR@10 by language, plain and xqg."""
    vectors = searcher.encode([question.query for question in questions])
    nearest = plain.search(vectors, DEPTH)
    points = store.points(list(dict.fromkeys(key for found in nearest for key, _ in found)))
    documents = {point.passage.id: point.passage.document_id for point in points}
    before = [[(key, documents.get(key, key)) for key, _ in found] for found in nearest]
    after = [
        [(hit.passage.id, hit.passage.document_id) for hit in found]
        for found in searcher.search_encoded(vectors, DEPTH)
    ]
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


def _reciprocal_rank(found: Sequence[tuple[str, str]], wanted: set[str]) -> float:
    """Of passages and the documents that they are of: chunks of a document count as the document."""
    keys = list(dict.fromkeys(key if key in wanted else document for key, document in found))
    return reciprocal_rank(keys, wanted, DEPTH)


def _means(ranks: Sequence[float]) -> dict[str, float]:
    """The measures over reciprocal ranks, of which 1 is a first hit and 0 none."""
    return {
        "recall@1": round(sum(rank == 1 for rank in ranks) / len(ranks), 4),
        "mrr@10": round(sum(ranks) / len(ranks), 4),
    }


def _language(here: Service, asked: Question | LabelledQuestion | Comparison) -> str:
    return known_language(asked.language) or here.parts.detector.detect(asked.query or "")
