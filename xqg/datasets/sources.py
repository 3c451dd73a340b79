"""Reads data sets in their published formats: SQuAD's (XQuAD, MLQA, TyDi's gold paragraphs), XOR-TyDi's and BEIR's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xqg.datasets.records import Dataset, ParallelPassage, Question
from xqg.errors import InputError, SettingsError
from xqg.ingest.readers.beir import find_file, judgement_files, read_judgements, told_language
from xqg.ingest.readers.jsonl import PlacedObject, read_objects
from xqg.ingest.readers.lines import read_lines
from xqg.ingest.readers.squad import SQUAD_SUFFIXES, SquadQuestion, read_squad, squad_files
from xqg.languages import language_code
from xqg.records import Passage, Reject

WIKIPEDIA_LANGUAGE = "en"
"""XOR-Retrieve searches the English Wikipedia."""
WIKIPEDIA_COLUMNS = ["id", "text", "title"]


@dataclass(frozen=True)
class ReadingOptions:
    """What a data set does not tell.

    ``articles`` are first and last article of SQuAD files (None: all), ``language`` that of what names none (None: an
    error), ``split`` the BEIR judgements to take.
    """

    articles: tuple[int, int] | None = None
    language: str | None = None
    split: str = "test"


def read_dataset(path: Path, kind: str = "auto", options: ReadingOptions | None = None) -> Dataset:
    """The data set at ``path``, a file or a folder.

    :param kind: "squad", "xor-tydi", "beir", or "auto" to look.
    :raises InputError: if it cannot be read or is none of these. :raises SettingsError: if a language cannot be told.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist", "asked for the file or folder of a data set", "Check the path")
    options = ReadingOptions() if options is None else options
    readers: dict[str, Callable[[Path, ReadingOptions], Dataset]] = {
        "squad": _read_squad,
        "xor-tydi": _read_xor_tydi,
        "beir": _read_beir,
    }
    found = _find_format(path) if kind == "auto" else kind
    if options.articles is not None and found != "squad":
        raise SettingsError(
            f"{path} is read as {found}", "asked for --articles, which only SQuAD files have", "Drop one of them"
        )
    return readers[found](path, options)


def _find_format(path: Path) -> str:
    if path.is_dir() and find_file(path, "corpus.jsonl") is not None:
        return "beir"
    if any(found.name.endswith(SQUAD_SUFFIXES) for found in squad_files(path)):
        return "squad"
    if path.is_file() or _question_files(path):
        return "xor-tydi"
    raise InputError(
        f"{path} holds no data set",
        "asked for SQuAD-format JSON, XOR-TyDi's JSON lines or a BEIR folder",
        "Check the folder",
    )


def _read_squad(path: Path, options: ReadingOptions) -> Dataset:
    """Files of several languages are joined by the ids of their questions."""
    files = squad_files(path)
    if not files:
        raise InputError(f"{path} holds no JSON files", "asked for files in SQuAD's format", "Check the folder")
    versions: dict[str, dict[str, Passage]] = {}
    texts: dict[tuple[str, str], tuple[str, str]] = {}
    answers: dict[str, dict[str, tuple[str, ...]]] = {}
    for paragraph in read_squad(files, options.articles, options.language):
        passage = Passage(paragraph.key, paragraph.text, paragraph.title, paragraph.language)
        versions.setdefault(paragraph.key, {}).setdefault(paragraph.language, passage)
        for item in paragraph.questions:
            language = _question_language(item, f"{paragraph.file}, line {item.line}")
            texts.setdefault((item.id, language), (item.text, paragraph.key))
            answers.setdefault(item.id, {}).setdefault(paragraph.language, item.answers)
    questions = [
        Question(f"{key}-{language}", language, text, (passage_key,), answers[key])
        for (key, language), (text, passage_key) in texts.items()
    ]
    return Dataset([ParallelPassage(key, own) for key, own in versions.items()], questions)


def _question_language(item: SquadQuestion, place: str) -> str:
    if not isinstance(item.text, str) or not item.text.strip():
        raise _unfit(place, "the question is empty")
    return language_code(str(item.language))


def _read_xor_tydi(path: Path, options: ReadingOptions) -> Dataset:
    """Questions with answers as JSON lines, and beside them, where it is there, the Wikipedia in DPR's TSV format."""
    files = _question_files(path) if path.is_dir() else [path]
    if not files:
        raise InputError(f"{path} holds no JSON lines", "asked for XOR-TyDi's questions", "Check the folder")
    questions = []
    for file in files:
        for place, value in _objects(file):
            answers = value.get("answers") or []
            if not isinstance(answers, list) or not all(isinstance(answer, str) for answer in answers):
                raise _unfit(place, "answers is no list of strings")
            language = _language(value.get("lang"), options, place)
            text = _string(value, "question", place)
            questions.append(Question(str(value.get("id")), language, text, (), {"": tuple(answers)}))
    corpora = [*path.glob("*.tsv"), *path.glob("*.tsv.gz")] if path.is_dir() else []
    return Dataset((passage for file in sorted(corpora) for passage in _read_wikipedia(file)), questions)


def _question_files(folder: Path) -> list[Path]:
    return sorted([*folder.glob("*.jsonl"), *folder.glob("*.jsonl.gz")])


def _read_wikipedia(path: Path) -> Iterator[ParallelPassage]:
    for line in read_lines(str(path)):
        parts = line.raw.split("\t")
        if line.number == 1 and parts == WIKIPEDIA_COLUMNS:
            continue
        if line.fault is not None or len(parts) != len(WIKIPEDIA_COLUMNS):
            raise _unfit(f"{path}, line {line.number}", line.fault or f"no columns {', '.join(WIKIPEDIA_COLUMNS)}")
        key, text, title = (part[1:-1].replace('""', '"') if _is_quoted(part) else part for part in parts)
        yield ParallelPassage(key, {WIKIPEDIA_LANGUAGE: Passage(key, text, title, WIKIPEDIA_LANGUAGE)})


def _is_quoted(part: str) -> bool:
    return len(part) > 1 and part.startswith('"') and part.endswith('"')


def _read_beir(path: Path, options: ReadingOptions) -> Dataset:
    corpus, asked = find_file(path, "corpus.jsonl"), find_file(path, "queries.jsonl")
    files = judgement_files(path, options.split)
    if corpus is None or asked is None or not files:
        raise InputError(
            f"{path} is no whole BEIR folder", "asked for corpus.jsonl, queries.jsonl and qrels/*.tsv", "Check it"
        )
    relevant: dict[str, list[str]] = {}
    for file in files:
        for judgement in read_judgements(file):
            if isinstance(judgement, Reject):
                raise _unfit(f"{file}, line {judgement.line}", judgement.reason)
            if judgement.relevance > 0:
                relevant.setdefault(judgement.query_id, []).append(judgement.passage_id)
    questions = []
    for place, value in _objects(asked):
        key = str(value.get("_id"))
        if key in relevant:  # BEIR keeps the questions of all splits in one file
            language = _language(told_language(value), options, place)
            questions.append(Question(key, language, _string(value, "text", place), tuple(relevant[key])))
    return Dataset(_read_corpus(corpus, options), questions)


def _read_corpus(path: Path, options: ReadingOptions) -> Iterator[ParallelPassage]:
    for place, value in _objects(path):
        key, language = _string(value, "_id", place), _language(told_language(value), options, place)
        passage = Passage(key, _string(value, "text", place), str(value.get("title") or ""), language)
        yield ParallelPassage(key, {language: passage})


def _objects(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for found in read_objects(str(path)):
        place = f"{path}, line {found.line}"
        if not isinstance(found, PlacedObject):
            raise _unfit(place, found.reason)
        yield place, found.value


def _string(value: Mapping[str, Any], name: str, place: str) -> str:
    text = value.get(name)
    if not isinstance(text, str) or not text.strip():
        raise _unfit(place, f"{name} is missing or no text")
    return text


def _language(told: Any, options: ReadingOptions, place: str) -> str:
    code = options.language if told is None else told
    if not isinstance(code, str):
        raise SettingsError(f"{place}: no language is named", "asked for an ISO 639-1 code", "Name it with --language")
    return language_code(code)


def _unfit(place: str, reason: str) -> InputError:
    return InputError(f"{place}: {reason}", "asked for a data set that can be read", "Mend the line or take it out")
