"""Routes of questions: search, and compare plain vectors with what xqg stores."""

from __future__ import annotations

from time import perf_counter
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field

from xqg.languages import known_language
from xqg.records import FieldMatch
from xqg.service import questions
from xqg.service.answers import Answer
from xqg.service.context import Context
from xqg.service.routes_collections import Here, Name, require_store

router = APIRouter(prefix="/v1/collections/{name}", tags=["questions"])

WHOLE_NUMBERS = 2**63
Text = Annotated[str, Field(max_length=4096)]
Number = Annotated[int, Field(ge=-WHOLE_NUMBERS, lt=WHOLE_NUMBERS, strict=True)]
Value = Annotated[bool, Field(strict=True)] | Number | Text
Key = Annotated[str, Field(max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Question(_Request):
    """What is asked, and how many hits are wanted."""

    query: str = Field(min_length=1, max_length=10_000)
    k: int = Field(10, ge=1, le=1000)
    filters: dict[Key, Value | list[Value]] = Field(default_factory=dict, max_length=32)
    language: str | None = Field(None, max_length=64, description="of the question; not given: detected")
    explain: bool = Field(False, description="with the piece of each hit that is closest to the question")


class Labelled(_Request):
    """A question whose answer is known."""

    query: str = Field(min_length=1, max_length=10_000)
    language: str | None = Field(None, max_length=64)
    passage_id: Text | list[Text]
    id: str | int | None = None


class Comparison(_Request):
    """One question, or many with their answers."""

    query: str | None = Field(None, min_length=1, max_length=10_000)
    queries: list[Labelled] = Field(default_factory=list, max_length=2000)
    k: int = Field(5, ge=1, le=100)
    language: str | None = Field(None, max_length=64)


@router.post("/search")
def search(name: Name, question: Question, here: Here) -> Answer:
    """The passages nearest to a question in any language, best first."""
    began = perf_counter()
    require_store(here, name)
    filters = [
        FieldMatch(key, tuple(value) if isinstance(value, list) else (value,))
        for key, value in question.filters.items()
    ]
    hits = questions.search(here, name, question.query, question.k, filters, question.explain)
    language = _language(here, question.query, question.language)
    return Answer({"hits": hits, "language": language, "seconds": round(perf_counter() - began, 4)})


@router.post("/compare")
def compare(name: Name, asked: Comparison, here: Here) -> Answer:
    """The hits of one question with plain vectors and with xqg; or, of labelled questions, both by language."""
    store = require_store(here, name)
    if (asked.query is None) == (not asked.queries):
        raise HTTPException(422, "Send either query, or queries with their passage_id")
    if asked.query is not None:
        both: dict[str, Any] = {"plain": {"hits": []}, "xqg": {"hits": []}}
        if store is not None:
            both = questions.compare(here, name, store, asked.query, asked.k)
        return Answer({"language": _language(here, asked.query, asked.language), **both})
    labelled = [
        {
            "query": one.query,
            "language": _language(here, one.query, one.language),
            "passage_ids": one.passage_id if isinstance(one.passage_id, list) else [one.passage_id],
        }
        for one in asked.queries
    ]
    return Answer({"languages": {} if store is None else questions.measure(here, name, store, labelled)})


def _language(here: Context, query: str, named: str | None) -> str:
    return known_language(named) or here.parts.detector.detect(query)
