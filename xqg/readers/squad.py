"""Reads files in SQuAD's format: paragraphs with questions, one file for a language or for a pair of languages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xqg.errors import PARSING_ERRORS, InputError, SettingsError
from xqg.identifiers import identifier
from xqg.languages import NAMES, told_language
from xqg.readers.lines import open_bytes
from xqg.records import digest

SQUAD_SUFFIXES = (".json", ".json.gz")
_CROSS_LINGUAL_NAME = re.compile(r"context-([a-z]{2})-question-([a-z]{2})")


@dataclass(frozen=True)
class SquadQuestion:
    """A question as it stands in the file (``text`` unchecked), the answers to it, and its line, counted from 1.

    ``language`` is the question's own (XOR-TyDi writes it beside the question), else that of the file.
    """

    id: str
    text: Any
    language: Any
    answers: tuple[str, ...]
    line: int
    record: Mapping[str, Any]


@dataclass(frozen=True)
class SquadParagraph:
    """A paragraph; ``key`` is the same in all files that hold one of its questions, so it joins its languages."""

    key: str
    file: str
    title: str
    text: str
    language: str
    questions: tuple[SquadQuestion, ...]


def parse_articles(text: str) -> tuple[int, int]:
    """First and last article of a range written FIRST-LAST, or of one number. :raises ValueError: if it is none."""
    found = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", text)
    if found is None or int(found[2] or found[1]) < int(found[1]):
        raise ValueError(f"articles: {text!r} is no range; write FIRST-LAST, for example 0-23")
    return int(found[1]), int(found[2] or found[1])


def squad_files(path: Path) -> list[Path]:
    """``path`` itself, or the JSON files of the folder by name; [] if it has none."""
    if not path.is_dir():
        return [path]
    return [found for found in sorted(path.iterdir()) if found.name.endswith(SQUAD_SUFFIXES)]


def read_squad(
    files: Sequence[Path], articles: tuple[int, int] | None = None, language: str | None = None
) -> Iterator[SquadParagraph]:
    """All paragraphs that are not empty, file by file.

    :param articles: first and last article to take of each file, counted from 0; None: all.
    :param language: of files whose name tells none (``xquad.de.json`` and MLQA's ``context-de-question-es`` do).
    :raises InputError: if a file is not in this format. :raises SettingsError: if its language cannot be told.
    """
    keys: dict[str, str] = {}
    for path in files:
        passage_language, question_language = _languages(path, language)
        with open_bytes(str(path)) as stream:
            raw = stream.read().decode("utf-8", "surrogateescape")
        places = _Places(raw)
        try:
            paragraphs = list(_paragraphs(json.loads(raw)["data"], articles))
            for title, paragraph in paragraphs:
                text = paragraph["context"]
                questions = tuple(_question(item, text, question_language, places) for item in paragraph["qas"])
                key = _key(questions, keys) or digest([title, text])
                keys |= {question.id: key for question in questions}
                yield SquadParagraph(key, str(path), title, text, passage_language, questions)
        except PARSING_ERRORS as error:
            told = "nested too deeply" if isinstance(error, RecursionError) else error
            raise InputError(
                f"{path} is no SQuAD-format file: {told}", "data, paragraphs and qas in JSON", "Check the file"
            ) from error


def _key(questions: Sequence[SquadQuestion], keys: Mapping[str, str]) -> str | None:
    """The key under which one of the questions was seen before, else the first question's id."""
    known = [keys[question.id] for question in questions if question.id in keys]
    return next(iter([*known, *(question.id for question in questions)]), None)


class _Places:
    """Finds the lines of the questions, which come in the order of the file, in one pass over it."""

    def __init__(self, raw: str) -> None:
        self._raw, self._place, self._line = raw, 0, 1

    def line_of(self, key: Any) -> int:
        """The line on which the id stands; the one before it where that cannot be told."""
        place = self._raw.find(json.dumps(key), self._place)
        if place < 0:
            self._place = len(self._raw)  # ids that are written otherwise would be looked for to the end each time
        else:
            self._line += self._raw.count("\n", self._place, place)
            self._place = place
        return self._line


def _question(item: Mapping[str, Any], context: str, language: str, places: _Places) -> SquadQuestion:
    key = item.get("id")
    line = places.line_of(key)
    answers = tuple(dict.fromkeys(str(answer["text"]) for answer in item.get("answers") or ()))
    own = digest([context, item.get("question")]) if key is None else identifier(key)
    told = item.get("lang", language)
    return SquadQuestion(own, item.get("question"), told_language(told) or told, answers, line, item)


def _paragraphs(articles: Any, chosen: tuple[int, int] | None) -> Iterator[tuple[str, Any]]:
    first, last = chosen if chosen is not None else (0, len(articles) - 1)
    for article in articles[first : last + 1]:
        for paragraph in article["paragraphs"]:
            if paragraph["context"].strip() and isinstance(paragraph["qas"], list):
                yield str(article.get("title") or "").replace("_", " "), paragraph


def _languages(path: Path, fallback: str | None) -> tuple[str, str]:
    """Languages of the passages and of the questions of a file, from its name."""
    crossed = _CROSS_LINGUAL_NAME.search(path.name)
    if crossed:
        return crossed.group(1), crossed.group(2)
    for part in reversed(re.split(r"[._-]", path.name)):
        if part in NAMES:
            return part, part
    if fallback is None:
        raise SettingsError(
            f"The name of {path} tells no language", "a name like NAME.de.json", "Name it with --language"
        )
    return fallback, fallback
