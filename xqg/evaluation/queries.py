"""Queries with what they should find, read from our JSONL, or from BEIR's or TREC's files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from xqg.errors import InputError
from xqg.evaluation.measures import spans
from xqg.identifiers import identifier
from xqg.languages import told_language as known_code
from xqg.readers.beir import read_judgements, told_language
from xqg.readers.jsonl import PlacedObject, read_objects
from xqg.readers.values import MAX_QUERY_CHARACTERS, without_surrogates
from xqg.records import Reject

UNKNOWN_LANGUAGE = "und"
"""ISO 639-2 for a language that nobody told."""


@dataclass(frozen=True)
class LabelledQuery:
    """A question with the passages that answer it, or the answers themselves, or both.

    ``relevant`` maps ids of passages or documents to a gain above 0; ``answers`` are strings, one of which must stand
    in the retrieved text.
    """

    id: str
    language: str
    text: str
    relevant: Mapping[str, int] = field(default_factory=dict)
    answers: tuple[str, ...] = ()


@dataclass(frozen=True)
class QuerySet:
    """The queries that can be evaluated, and how many others the file holds that have no label."""

    queries: tuple[LabelledQuery, ...]
    unlabelled: int = 0


def read_queries(path: Path, qrels: Path | None = None, language: str | None = None) -> QuerySet:
    """All queries of a file of JSON: ``id``, ``language``, ``query``, ``passage_id`` and ``answers``, or BEIR's.

    :param qrels: relevance judgements, as BEIR's or TREC's file; queries it does not judge are left out, as BEIR does,
        and so are those answered by "yes" or "no" alone, as in XOR-Retrieve.
    :param language: of queries that name none, as ISO 639-1; None: they count as the language "und".
    :raises InputError: if a file cannot be read, a line is no query, or no query has a label.
    """
    judged = None if qrels is None else read_relevant([qrels])
    queries: dict[str, LabelledQuery] = {}
    unnamed = known_code(language) or language or UNKNOWN_LANGUAGE
    for place, value in placed_objects(path):
        query = _query(value, place, unnamed)
        if query.id in queries:
            raise InputError(f"{place}: the id {query.id!r} was used before", "one id for each query", "Rename one")
        queries[query.id] = query if judged is None else replace(query, relevant=judged.get(query.id, {}))
    labelled = tuple(query for query in queries.values() if query.relevant or spans(query.answers))
    if not labelled:
        raise InputError(
            f"{path} holds {len(queries)} queries, and none has a label" + (f" in {qrels}" if qrels else ""),
            "passage_id or answers beside each query, or --qrels with ids of these queries",
            "Check the files",
        )
    return QuerySet(labelled, len(queries) - len(labelled))


def read_relevant(files: Iterable[Path]) -> dict[str, dict[str, int]]:
    """The gains above 0 of BEIR's or TREC's judgements, by query and passage. :raises InputError: if a line is none."""
    judged: dict[str, dict[str, int]] = {}
    for file in files:
        for found in read_judgements(file):
            if isinstance(found, Reject):
                raise unfit(f"{file}, line {found.line}", found.reason)
            if found.relevance > 0:
                judged.setdefault(found.query_id, {})[found.passage_id] = found.relevance
    return judged


def placed_objects(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The JSON objects of a file, each after its place. :raises InputError: if a line is none."""
    for found in read_objects(str(path)):
        place = f"{path}, line {found.line}"
        if not isinstance(found, PlacedObject):
            raise unfit(place, found.reason)
        yield place, found.value


def unfit(place: str, reason: str) -> InputError:
    """The error for a line that cannot be read."""
    return InputError(f"{place}: {reason}", "", "Correct the line or take it out")


def _query(value: Mapping[str, Any], place: str, language: str) -> LabelledQuery:
    key = value.get("id", value.get("_id"))
    text = value.get("query", value.get("text", value.get("question")))
    if key is None or key == "":
        raise unfit(place, "the query has no id")
    if not isinstance(text, str) or not text.strip():
        raise unfit(place, "the query is empty")
    if len(text) > MAX_QUERY_CHARACTERS:
        raise unfit(place, f"the query is {len(text)} characters long, the limit is {MAX_QUERY_CHARACTERS}")
    if without_surrogates(text) != text:
        raise unfit(place, "the query has a lone surrogate, which is no text")
    told = told_language(value)
    if told is not None and not isinstance(told, str):
        raise unfit(place, f"the language is {told!r}")
    relevant = {_id(item, place, "passage_id"): 1 for item in _listed(value.get("passage_id"))}
    answers = _answers(value.get("answers"), place)
    return LabelledQuery(_id(key, place, "the query's id"), language if told is None else told, text, relevant, answers)


def _id(value: Any, place: str, name: str) -> str:
    try:
        return identifier(value)
    except ValueError as error:
        raise unfit(place, f"{name} {error}") from None


def _listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _answers(value: Any, place: str) -> tuple[str, ...]:
    texts = [str(item) if isinstance(item, int) and not isinstance(item, bool) else item for item in _listed(value)]
    if not all(isinstance(item, str) and item.strip() for item in texts):
        raise unfit(place, "answers is neither a string nor a list of strings")
    return tuple(dict.fromkeys(texts))
