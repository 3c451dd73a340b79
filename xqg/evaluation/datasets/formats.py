"""Reads data sets in their published formats: SQuAD's (XQuAD, MLQA, TyDi's gold paragraphs), XOR-TyDi's and BEIR's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from xqg.errors import InputError, SettingsError
from xqg.evaluation.datasets.dataset import Dataset, ParallelPassage, Question, ReadingOptions, choose_splits, split_of
from xqg.evaluation.queries import placed_objects, read_relevant, unfit
from xqg.languages import language_code
from xqg.readers.beir import find_file, told_language
from xqg.readers.lines import read_lines
from xqg.readers.squad import SQUAD_SUFFIXES, SquadParagraph, SquadQuestion, read_squad, squad_files
from xqg.records import Passage, digest

WIKIPEDIA_LANGUAGE = "en"
"""XOR-Retrieve searches the English Wikipedia."""
WIKIPEDIA_COLUMNS = ["id", "text", "title"]

Place: TypeAlias = tuple[str, str]
"""Language and text of a passage."""

Told: TypeAlias = dict[str, tuple[str, ...]]
"""What answers a question, by the language of the passage: ids of passages, or answers in them."""


def read_dataset(path: Path, kind: str = "auto", options: ReadingOptions | None = None) -> Dataset:
    """The data set at ``path``, a file or a folder.

    :param kind: "squad", "xor-tydi", "beir", or "auto" to look.
    :raises InputError: if it cannot be read or is none of these. :raises SettingsError: if a language cannot be told,
        or the split is not there or not told.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist", "the file or folder of a data set", "Check the path")
    options = ReadingOptions() if options is None else options
    readers: dict[str, Callable[[Path, ReadingOptions], Dataset]] = {
        "squad": _read_squad,
        "xor-tydi": _read_xor_tydi,
        "beir": _read_beir,
    }
    found = _find_format(path) if kind == "auto" else kind
    if options.articles is not None and found != "squad":
        raise SettingsError(f"{path} is read as {found}", "SQuAD files for --articles", "Drop one of them")
    return readers[found](path, options)


def _find_format(path: Path) -> str:
    if path.is_dir() and find_file(path, "corpus.jsonl") is not None:
        return "beir"
    if any(found.name.endswith(SQUAD_SUFFIXES) for found in squad_files(path)):
        return "squad"
    if path.is_file() or _question_files(path):
        return "xor-tydi"
    raise InputError(
        f"{path} holds no data set", "SQuAD-format JSON, XOR-TyDi's JSON lines or a BEIR folder", "Check the folder"
    )


def _read_squad(path: Path, options: ReadingOptions) -> Dataset:
    """All passages and questions of a file or of the files in a folder."""
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
    """Joins SQuAD's paragraphs over languages by the ids of their questions.

    MLQA has a file for each pair of languages, and its paragraphs are cut differently in each language: a German
    paragraph may hold the questions of two English ones. So a passage is a text in a language, however many files hold
    it, and what says the same is all that is connected by shared questions.
    """

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


def _read_xor_tydi(path: Path, options: ReadingOptions) -> Dataset:
    """Questions with answers as JSON lines, and beside them, where it is there, the Wikipedia in DPR's TSV format."""
    files = _question_files(path) if path.is_dir() else [path]
    if not files:
        raise InputError(f"{path} holds no JSON lines", "XOR-TyDi's questions", "Check the folder")
    by_split: dict[str, list[Question]] = {}
    for file in files:
        for place, value in placed_objects(file):
            split = str(value.get("split") or split_of(file))
            by_split.setdefault(split, []).append(_xor_question(value, options, place))
    splits = choose_splits(by_split, options.split, path)
    questions = [question for split, own in by_split.items() if split in splits for question in own]
    corpora = [*path.glob("*.tsv"), *path.glob("*.tsv.gz")] if path.is_dir() else []
    return Dataset((passage for file in sorted(corpora) for passage in _read_wikipedia(file)), questions)


def _xor_question(value: Mapping[str, Any], options: ReadingOptions, place: str) -> Question:
    answers = value.get("answers") or []
    if not isinstance(answers, list) or not all(isinstance(answer, str) for answer in answers):
        raise unfit(place, "answers is no list of strings")
    language = _language(value.get("lang"), options, place)
    return Question(str(value.get("id")), language, _string(value, "question", place), {}, {"": tuple(answers)})


def _question_files(folder: Path) -> list[Path]:
    return sorted([*folder.glob("*.jsonl"), *folder.glob("*.jsonl.gz")])


def _read_wikipedia(path: Path) -> Iterator[ParallelPassage]:
    for line in read_lines(str(path)):
        parts = line.raw.split("\t")
        if line.number == 1 and parts == WIKIPEDIA_COLUMNS:
            continue
        if line.fault is not None or len(parts) != len(WIKIPEDIA_COLUMNS):
            raise unfit(f"{path}, line {line.number}", line.fault or f"no columns {', '.join(WIKIPEDIA_COLUMNS)}")
        key, text, title = (part[1:-1].replace('""', '"') if _is_quoted(part) else part for part in parts)
        yield ParallelPassage(key, {WIKIPEDIA_LANGUAGE: (Passage(key, text, title, WIKIPEDIA_LANGUAGE),)})


def _is_quoted(part: str) -> bool:
    return len(part) > 1 and part.startswith('"') and part.endswith('"')


def _read_beir(path: Path, options: ReadingOptions) -> Dataset:
    corpus, asked = find_file(path, "corpus.jsonl"), find_file(path, "queries.jsonl")
    files = sorted((path / "qrels").glob("*.tsv"))
    if corpus is None or asked is None or not files:
        raise InputError(f"{path} is no whole BEIR folder", "corpus.jsonl, queries.jsonl and qrels/*.tsv", "Check it")
    splits = choose_splits((file.stem for file in files), options.split, path)
    relevant = read_relevant([file for file in files if file.stem in splits])
    questions = []
    for place, value in placed_objects(asked):
        key = str(value.get("_id"))
        if key in relevant:  # BEIR keeps the questions of all splits in one file
            language = _language(told_language(value), options, place)
            questions.append(Question(key, language, _string(value, "text", place), {"": tuple(relevant[key])}))
    lost = relevant.keys() - {question.id for question in questions}
    if lost:
        raise InputError(
            f"{len(lost)} judged questions are not in {asked}, {min(lost)!r} among them",
            "the text of every question",
            "Complete the file or take their judgements out",
        )
    return Dataset(_read_corpus(corpus, options), questions)


def _read_corpus(path: Path, options: ReadingOptions) -> Iterator[ParallelPassage]:
    for place, value in placed_objects(path):
        key, language = _string(value, "_id", place), _language(told_language(value), options, place)
        passage = Passage(key, _string(value, "text", place), str(value.get("title") or ""), language)
        yield ParallelPassage(key, {language: (passage,)})


def _string(value: Mapping[str, Any], name: str, place: str) -> str:
    text = value.get(name)
    if not isinstance(text, str) or not text.strip():
        raise unfit(place, f"{name} is missing or no text")
    return text


def _language(told: Any, options: ReadingOptions, place: str) -> str:
    code = options.language if told is None else told
    if not isinstance(code, str):
        raise SettingsError(f"{place}: no language is named", "an ISO 639-1 code", "Name it with --language")
    return language_code(code)
