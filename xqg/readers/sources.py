"""Finds out what a source is, and reads it with the reader for its format."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

from xqg.errors import InputError, SettingsError
from xqg.languages import DETECTED_CHARACTERS, CorpusLanguage
from xqg.readers.delimited import read_delimited
from xqg.readers.folder import check_folder, read_folder
from xqg.readers.jsonl import read_jsonl
from xqg.readers.lines import STANDARD_INPUT, check_readable, refuse_endless, status_of
from xqg.readers.parquet import check_parquet, read_parquet
from xqg.readers.passage_records import ROLES, UNTOLD_LANGUAGE, FieldNames, PassageBuilder, PlacedPassage
from xqg.readers.table import DELIMITERS, Feed, begin_table
from xqg.readers.values import Notes
from xqg.records import Passage, Reject
from xqg.settings import ReaderSettings

ENDINGS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "tsv", ".parquet": "parquet"}
FOLDERS = ("beir", "folder")
BEIR_FILES = ("corpus.jsonl", "corpus.jsonl.gz")
BEIR_ID = "_id"

Found: TypeAlias = PlacedPassage | Reject

Source: TypeAlias = str | Iterable[Passage | Mapping[str, Any]]
"""A file, a folder, "-" for standard input; or passages in memory, as records or mappings like the lines of a file."""

IN_MEMORY = "passages"
"""The file name, in rejects, of passages in memory; their line is their number, from 1."""


WINDOW_RECORDS = 200
WINDOW_CHARACTERS = 2**19
"""The language of a source is told from so many of its first records, or so much of them, which are held in memory."""


def read_records(source: Source, settings: ReaderSettings, language: CorpusLanguage, notes: Notes) -> Iterator[Found]:
    """The passages of a source, in its order and in bounded memory.

    A record that is no passage becomes a reject, and reading goes on.

    :param language: settles that of passages where neither they nor the settings name one.
    :param notes: counts the changes that were made to records.
    :raises InputError: if the source cannot be opened. :raises SettingsError: if its format or its
        columns do not fit the settings. :raises MissingDependencyError: for Parquet without pyarrow.
    """
    return _settle_languages(_read(source, settings, notes), language)


def _read(source: Source, settings: ReaderSettings, notes: Notes) -> Iterator[Found]:
    if not isinstance(source, str):
        return _read_memory(source, settings, notes)
    kind = find_format(source, settings)
    builder = PassageBuilder(settings, field_names(kind, settings), notes)
    if kind in DELIMITERS:
        return read_delimited(source, builder, DELIMITERS[kind], settings.delimiter)
    if kind == "parquet":
        return read_parquet(source, builder)
    if kind == "folder":
        return read_folder(source, builder)
    if kind == "beir":
        return read_jsonl(_beir_file(source), builder)
    return read_jsonl(source, builder, whole=kind == "json")


def _read_memory(
    passages: Iterable[Passage | Mapping[str, Any]], settings: ReaderSettings, notes: Notes
) -> Iterator[PlacedPassage | Reject]:
    """Passages in memory, checked and cleaned as those of a file are; chunks of longer documents are rejects."""
    mappings = PassageBuilder(settings, field_names("jsonl", settings), notes)
    records = PassageBuilder(settings, field_names("folder", settings), notes)
    for number, given in enumerate(passages, start=1):
        if not isinstance(given, Passage):
            yield mappings.build(given, IN_MEMORY, number)
            continue
        record = {name: getattr(given, name) for name in ("id", "text", "title", "metadata")}
        record["language"] = given.language or None
        if given.document_id == given.id:
            yield records.build(record, IN_MEMORY, number)
        else:
            yield Reject(IN_MEMORY, number, f"a chunk of {given.document_id!r}: give whole documents", record)


def check_source(source: Source, settings: ReaderSettings) -> None:
    """Raise what `read_records` would raise, without reading records.

    Standard input and pipes can be read only once, so of them only the format is checked.

    :raises XqgError: as `read_records`.
    """
    if not isinstance(source, str):
        return
    kind = find_format(source, settings)
    if kind == "folder":
        check_folder(Path(source))
    elif kind == "beir":
        check_readable(_beir_file(source))
    elif is_lasting(source):
        check_readable(source)
        if kind in DELIMITERS:
            begin_table(source, Feed(source), field_names(kind, settings), DELIMITERS[kind], settings.delimiter)
        elif kind == "parquet":
            check_parquet(source, field_names(kind, settings))
    elif source != STANDARD_INPUT:
        refuse_endless(source)


def is_lasting(source: Source) -> bool:
    """Whether ``source`` can be read as often as one likes: a file or a folder.

    :raises InputError: if it cannot be reached.
    """
    if not isinstance(source, str) or source == STANDARD_INPUT:
        return False
    mode = status_of(source).st_mode
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def find_format(source: str, settings: ReaderSettings) -> str:
    """The format of a source: "jsonl", "json", "csv", "tsv", "parquet", "beir" or "folder".

    :raises InputError: if there is no such file. :raises SettingsError: if the format cannot be told, or
        the one named in the settings does not fit.
    """
    asked = settings.format
    if source == STANDARD_INPUT:
        if asked in ("parquet", *FOLDERS):
            raise SettingsError(f"Standard input cannot be read as {asked}", remedy="Name a file or folder")
        return "jsonl" if asked == "auto" else asked
    if stat.S_ISDIR(status_of(source).st_mode):
        return _folder_format(source, asked)
    return _file_format(source, asked)


def field_names(kind: str, settings: ReaderSettings) -> FieldNames:
    """The names of the fields in a source of this format; BEIR has its own for the id."""
    if kind == "folder":
        return dict(zip(ROLES, ROLES, strict=True))
    names = {role: getattr(settings, f"{role}_field") for role in ROLES}
    return {**names, "id": BEIR_ID} if kind == "beir" and names["id"] == "id" else names


def _folder_format(source: str, asked: str) -> str:
    has_corpus = _beir_corpus(Path(source)) is not None
    if asked == "auto":
        return "beir" if has_corpus else "folder"
    if asked not in FOLDERS:
        raise SettingsError(f"{source} is a folder", f"a file for --format {asked}", "Name a file, or drop --format")
    if asked == "beir" and not has_corpus:
        raise InputError(f"{source} has no {' or '.join(BEIR_FILES)}", "a BEIR folder", "Check the folder")
    return asked


def _file_format(source: str, asked: str) -> str:
    if asked in FOLDERS:
        raise SettingsError(f"{source} is a file", f"a folder for --format {asked}", "Name the folder that holds it")
    if asked != "auto":
        return asked
    name = source.lower()
    ending = Path(name if name.endswith(".parquet.gz") else name.removesuffix(".gz")).suffix
    if ending in ENDINGS:
        return ENDINGS[ending]
    raise SettingsError(
        f"The format of {source} cannot be told from its ending",
        f"{', '.join(ENDINGS)}, all but Parquet also with .gz",
        "Name it with --format",
    )


def _beir_file(source: str) -> str:
    return str(_beir_corpus(Path(source)) or Path(source, BEIR_FILES[0]))


def _beir_corpus(folder: Path) -> Path | None:
    """The corpus of a BEIR folder; None if it has none, or may not be looked into."""
    try:
        return next((folder / name for name in BEIR_FILES if (folder / name).is_file()), None)
    except OSError:
        return None


def _settle_languages(found: Iterable[Found], corpus: CorpusLanguage) -> Iterator[Found]:
    """The same with a language in every passage: its own, else `CorpusLanguage.settle` after the first records.

    :param corpus: learns from the first records.
    """
    records = iter(found)
    window: list[Found] = []
    size = 0
    for record in records:
        window.append(record)
        if isinstance(record, PlacedPassage):
            size += len(record.passage.text)
            corpus.learn(_beginning(record.passage), record.passage.language or None)
        if len(window) >= WINDOW_RECORDS or size >= WINDOW_CHARACTERS:
            break
    for record in chain(window, records):
        yield _settled(record, corpus)


def _settled(found: Found, corpus: CorpusLanguage) -> Found:
    if isinstance(found, Reject) or found.passage.language != UNTOLD_LANGUAGE:
        return found
    return replace(found, passage=replace(found.passage, language=corpus.settle(_beginning(found.passage))))


def _beginning(passage: Passage) -> str:
    text = passage.text[:DETECTED_CHARACTERS]
    return f"{passage.title}\n{text}"[:DETECTED_CHARACTERS] if passage.title else text
