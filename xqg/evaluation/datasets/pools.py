"""Chooses the pool that questions are asked of, and writes passages and questions in our own format.

One language is MTEB's convention. In a mixed pool a retriever that prefers passages in the question's language loses:
language bias shows there and only there. LAReQA (Roy et al. 2020) puts every language of every passage into the pool;
so does ``all``. In ``mixed`` each passage exists in one language, drawn at random, as in a corpus of many authors;
where its questions are not answered in all of its languages (MLQA), it is drawn from those that answer them all.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from xqg.errors import InputError
from xqg.evaluation.datasets.dataset import Dataset, ParallelPassage, Question
from xqg.languages import language_name
from xqg.records import Passage

MIXED, ALL = "mixed", "all"
PASSAGES, QUERIES = "passages.jsonl", "queries.jsonl"


@dataclass(frozen=True)
class PoolReport:
    """What was written, by language, and how many questions were left out since no passage of the pool answers them."""

    folder: Path
    pool: str
    passages: Mapping[str, int]
    queries: Mapping[str, int]
    left_out: int

    def to_json(self) -> dict[str, Any]:
        """All of it by name."""
        return {**self.__dict__, "folder": str(self.folder)}


def check_pool(pool: str) -> None:
    """See that the pool is "mixed", "all" or a language. :raises SettingsError: if it is not."""
    if pool not in (MIXED, ALL):
        language_name(pool)


def write_pool(dataset: Dataset, pool: str, folder: Path, seed: int = 0) -> PoolReport:
    """Write ``passages.jsonl`` (for ``xqg ingest``) and ``queries.jsonl`` (for ``xqg evaluate``) into the folder.

    :param pool: a language: the passages that exist in it; "mixed": every passage in one of its languages, drawn with
        the seed and its id; "all": every passage in all its languages, its id followed by the language.
    :raises SettingsError: if the pool is not known. :raises InputError: if no question can be asked of it, if two have
        the same id, or if a label names a passage that the data set does not hold; nothing is written then.
    """
    check_pool(pool)
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f"{PASSAGES}.draft"
    try:
        passages, places = _write_passages(dataset, pool, seed, draft)
        _check_labels(dataset.questions, places)
        records = [record for question in dataset.questions if (record := _record(question, places)) is not None]
        if not records:
            message = f"No question can be asked of the pool {pool!r}"
            raise InputError(message, "passages with questions", "Choose another --pool")
        if passages:  # XOR-TyDi's questions may come without a corpus
            draft.replace(folder / PASSAGES)
    finally:
        draft.unlink(missing_ok=True)
    (folder / QUERIES).write_text("".join(_line(**record) for record in records), encoding="utf-8")
    queries = Counter(record["language"] for record in records)
    return PoolReport(folder, pool, dict(passages), dict(queries), len(dataset.questions) - len(records))


def _write_passages(
    dataset: Dataset, pool: str, seed: int, path: Path
) -> tuple[Counter[str], dict[str, list[Passage]]]:
    """Write the passages of the pool; their number by language, and by id those that questions are asked of.

    An id that is asked for and whose passages are not in the pool has an empty list.
    """
    asked = {key for question in dataset.questions for keys in question.passages.values() for key in keys}
    answering = _answering_languages(dataset.questions)
    places: dict[str, list[Passage]] = {}
    passages: Counter[str] = Counter()
    with path.open("w", encoding="utf-8") as file:
        for parallel in dataset.passages:
            places |= {key: places.get(key, []) for key in asked & {passage.id for passage in _all(parallel)}}
            for key, passage in _choose(parallel, pool, seed, answering):
                if key in asked:
                    places[key].append(passage)
                file.write(_line(id=passage.id, title=passage.title, text=passage.text, language=passage.language))
                passages[passage.language] += 1
    return passages, places


def _all(parallel: ParallelPassage) -> list[Passage]:
    return [passage for own in parallel.versions.values() for passage in own]


def _answering_languages(questions: Sequence[Question]) -> dict[tuple[str, str], frozenset[str]]:
    """By language and id of a passage: the languages that all of its questions are answered in."""
    answering: dict[tuple[str, str], frozenset[str]] = {}
    for question in questions:
        languages = frozenset(question.passages)
        for language, keys in question.passages.items():
            answering |= {(language, key): answering.get((language, key), languages) & languages for key in keys}
    return answering


def _choose(
    parallel: ParallelPassage, pool: str, seed: int, answering: Mapping[tuple[str, str], frozenset[str]]
) -> Iterator[tuple[str, Passage]]:
    """The passages that are in the pool, each after the id that questions know it by."""
    versions = parallel.versions
    if pool == ALL:
        for passage in _all(parallel):
            yield passage.id, replace(passage, id=f"{passage.id}-{passage.language}", document_id="")
    elif pool == MIXED:
        languages = frozenset(versions)
        for passage in _all(parallel):
            languages &= answering.get((passage.language, passage.id), languages)
        # from the id, so that a passage's language does not depend on which others are there
        drawn = random.Random(f"{seed} {parallel.id}").choice(sorted(languages or versions))  # noqa: S311
        yield from ((passage.id, passage) for passage in versions[drawn])
    else:
        yield from ((passage.id, passage) for passage in versions.get(pool, ()))


def _check_labels(questions: Sequence[Question], places: Mapping[str, Sequence[Passage]]) -> None:
    twice = [key for key, count in Counter(question.id for question in questions).items() if count > 1]
    if twice:
        raise InputError(
            f"{len(twice)} ids are used by several questions, {twice[0]!r} among them",
            "one id for each question",
            "Rename them or read the files one by one",
        )
    missing = {
        key: question.id
        for question in questions
        for keys in question.passages.values()
        for key in keys
        if key not in places
    }
    if missing:
        key = min(missing)
        raise InputError(
            f"{len(missing)} labels match no passage, {key!r} of the question {missing[key]!r} among them",
            "passages that the data set holds",
            "Complete the corpus or take these labels out",
        )


def _record(question: Question, places: Mapping[str, list[Passage]]) -> dict[str, Any] | None:
    """The question as a line; None if nothing in the pool answers it."""
    found = [
        passage
        for language, keys in question.passages.items()
        for key in keys
        for passage in places[key]
        if language in ("", passage.language)
    ]
    if question.passages and not found:
        return None
    languages = ["", *dict.fromkeys(passage.language for passage in found)]
    answers = [answer for language in languages for answer in question.answers.get(language, ())]
    record: dict[str, Any] = {"id": question.id, "language": question.language, "query": question.text}
    if found:
        keys = [passage.id for passage in found]
        record["passage_id"] = keys[0] if len(keys) == 1 else keys
    if answers:
        record["answers"] = list(dict.fromkeys(answers))
    return record if found or answers else None


def _line(**record: Any) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"
