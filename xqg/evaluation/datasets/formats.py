"""Reads data sets in their published formats: SQuAD's (XQuAD, MLQA, TyDi's gold paragraphs), XOR-TyDi's and BEIR's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from xqg.errors import InputError, SettingsError
from xqg.evaluation.datasets.dataset import (
    Dataset,
    ParallelPassage,
    Question,
    ReadingOptions,
    choose_splits,
    split_of,
)
from xqg.evaluation.datasets.squad_languages import read_squad_dataset
from xqg.evaluation.queries import placed_objects, read_relevant, unfit
from xqg.languages import language_code
from xqg.readers.beir import find_file, told_language
from xqg.readers.lines import read_lines
from xqg.readers.squad import SQUAD_SUFFIXES, squad_files
from xqg.records import Passage

WIKIPEDIA_LANGUAGE = "en"
"""XOR-Retrieve searches the English Wikipedia."""
WIKIPEDIA_COLUMNS = ["id", "text", "title"]


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
        "squad": read_squad_dataset,
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
        f"{path} holds no data set",
        "SQuAD-format JSON, XOR-TyDi's JSON lines or a BEIR folder",
        "Check the folder",
    )


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
