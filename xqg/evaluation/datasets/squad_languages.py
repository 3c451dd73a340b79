"""Joins files in SQuAD's format (XQuAD, MLQA, TyDi's gold paragraphs) over languages by the ids of their questions.

MLQA has a file for each pair of languages, and its paragraphs are cut differently in each language: a German paragraph
may hold the questions of two English ones. So a passage is a text in a language, however many files hold it, and what
says the same is all that is connected by shared questions.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from xqg.errors import InputError
from xqg.evaluation.datasets.dataset import (
    Dataset,
    ParallelPassage,
    Question,
    ReadingOptions,
    choose_splits,
    split_of,
)
from xqg.evaluation.queries import unfit
from xqg.languages import language_code
from xqg.readers.squad import SquadParagraph, SquadQuestion, read_squad, squad_files
from xqg.records import Passage, digest

Place: TypeAlias = tuple[str, str]
"""Language and text of a passage."""


Told: TypeAlias = dict[str, tuple[str, ...]]
"""What answers a question, by the language of the passage: ids of passages, or answers in them."""


def read_squad_dataset(path: Path, options: ReadingOptions) -> Dataset:
    """All passages and questions of a file or of the files in a folder.

    :raises InputError: if there are none or one cannot be read. :raises SettingsError: if a language or the split
        cannot be told.
    """
    files = squad_files(path)
    if not files:
        raise InputError(f"{path} holds no JSON files", "files in SQuAD's format", "Check the folder")
    splits = choose_splits(map(split_of, files), options.split, path)
    collector = _Collector()
    chosen = [file for file in files if split_of(file) in splits]
    for paragraph in read_squad(chosen, options.articles, options.language):
        collector.add(paragraph)
    return Dataset(collector.passages(), collector.questions())


class _Collector:
    """Gathers paragraphs, each text once, and finds out which say the same."""

    def __init__(self) -> None:
        self._passages: dict[Place, Passage] = {}
        self._taken: set[tuple[str, str]] = set()
        self._texts: dict[tuple[str, str], str] = {}
        self._answering: dict[str, Told] = {}
        self._answers: dict[str, Told] = {}
        self._first: dict[str, Place] = {}
        self._parents: dict[Place, Place] = {}

    def add(self, paragraph: SquadParagraph) -> None:
        """Take a paragraph with its questions. :raises InputError: if a question is empty or told in two ways."""
        place = (paragraph.language, paragraph.text)
        if place not in self._passages:
            self._passages[place] = self._passage(paragraph)
            self._parents[place] = place
        for item in paragraph.questions:
            self._ask(item, self._passages[place], f"{paragraph.file}, line {item.line}")
            self._parents[self._root(place)] = self._root(self._first.setdefault(item.id, place))

    def passages(self) -> list[ParallelPassage]:
        """All passages, those together that are connected by questions, in the order they came."""
        groups: dict[Place, dict[str, tuple[Passage, ...]]] = {}
        names: dict[Place, str] = {}
        for place, passage in self._passages.items():
            root = self._root(place)
            names.setdefault(root, passage.id)
            group = groups.setdefault(root, {})
            group[passage.language] = (*group.get(passage.language, ()), passage)
        return [ParallelPassage(names[root], group) for root, group in groups.items()]

    def questions(self) -> list[Question]:
        """All questions in all their languages, in the order they came."""
        return [
            Question(f"{key}-{language}", language, text, self._answering[key], self._answers[key])
            for (key, language), text in self._texts.items()
        ]

    def _passage(self, paragraph: SquadParagraph) -> Passage:
        """The passage under the id of its first question, so that it has the same one in all languages."""
        language, title, text = paragraph.language, paragraph.title, paragraph.text
        ids = [*(question.id for question in paragraph.questions), digest([language, title, text])]
        key = next(key for key in ids if (language, key) not in self._taken)
        self._taken.add((language, key))
        return Passage(key, text, title, language)

    def _ask(self, item: SquadQuestion, passage: Passage, place: str) -> None:
        if not isinstance(item.text, str) or not item.text.strip():
            raise unfit(place, "the question is empty")
        if self._texts.setdefault((item.id, language_code(str(item.language))), item.text) != item.text:
            raise unfit(place, f"the question {item.id!r} has another text than it had before")
        _merge(self._answering.setdefault(item.id, {}), passage.language, (passage.id,))
        # where the answers were taken out (TyDi's gold paragraphs are passed on so), "" stands in their place
        answers = tuple(answer for answer in item.answers if answer.strip())
        _merge(self._answers.setdefault(item.id, {}), passage.language, answers)

    def _root(self, place: Place) -> Place:
        while self._parents[place] != place:
            place = self._parents[place]
        return place


def _merge(known: Told, language: str, more: tuple[str, ...]) -> None:
    known[language] = tuple(dict.fromkeys((*known.get(language, ()), *more)))
