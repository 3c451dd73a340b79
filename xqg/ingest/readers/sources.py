"""Finds out what a source is, and reads it with the reader for its format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from xqg.errors import InputError, SettingsError
from xqg.ingest.readers.building import FieldNames, PassageBuilder, PlacedPassage
from xqg.ingest.readers.delimited import DELIMITERS, read_delimited, read_header
from xqg.ingest.readers.folder import has_texts, read_folder
from xqg.ingest.readers.jsonl import read_jsonl
from xqg.ingest.readers.lines import STANDARD_INPUT, check_readable
from xqg.ingest.readers.parquet import check_parquet, read_parquet
from xqg.languages import LanguageDetector
from xqg.records import Passage, Reject
from xqg.settings import ReaderSettings

ENDINGS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv", ".parquet": "parquet"}
FOLDERS = ("beir", "folder")
BEIR_FILES = ("corpus.jsonl", "corpus.jsonl.gz")
BEIR_ID = "_id"


def read_passages(source: str, settings: ReaderSettings, detector: LanguageDetector) -> Iterator[Passage | Reject]:
    """`read_records` without the places: whole documents, not yet checked for repeated ids.

    :raises XqgError: as `read_records`.
    """
    for found in read_records(source, settings, detector):
        yield found.passage if isinstance(found, PlacedPassage) else found


def read_records(source: str, settings: ReaderSettings, detector: LanguageDetector) -> Iterator[PlacedPassage | Reject]:
    """The passages of a file, a folder or standard input ("-"), in its order and in bounded memory.

    A record that is no passage becomes a reject, and reading goes on.

    :param detector: tells the language of passages where neither they nor the settings name one.
    :raises InputError: if the source cannot be opened. :raises SettingsError: if its format or its
        columns are not what was asked for. :raises MissingDependencyError: for Parquet without pyarrow.
    """
    kind = find_format(source, settings)
    names = field_names(kind, settings)
    builder = PassageBuilder(settings, detector, names)
    if kind in DELIMITERS:
        return read_delimited(source, DELIMITERS[kind], names, builder)
    if kind == "parquet":
        return read_parquet(source, names, builder)
    if kind == "folder":
        return read_folder(source, builder)
    return read_jsonl(source if kind == "jsonl" else str(_beir_corpus(Path(source))), builder)


def check_source(source: str, settings: ReaderSettings) -> None:
    """Raise what `read_records` would raise, without reading records, so that nothing has to be undone later.

    Standard input and pipes can be read only once, so of them only the format is checked.

    :raises XqgError: as `read_records`.
    """
    kind = find_format(source, settings)
    path = Path(source)
    if kind == "folder":
        if not has_texts(path):
            raise InputError(
                f"The folder {source} holds no passages",
                "asked for corpus.jsonl (a BEIR corpus) or .txt and .md files",
                "Name the file itself if it has another ending",
            )
    elif kind == "beir":
        check_readable(str(_beir_corpus(path)))
    elif source != STANDARD_INPUT and path.is_file():
        check_readable(source)
        if kind in DELIMITERS:
            read_header(source, DELIMITERS[kind], field_names(kind, settings))
        elif kind == "parquet":
            check_parquet(source, field_names(kind, settings))


def find_format(source: str, settings: ReaderSettings) -> str:
    """The format of a source: "jsonl", "csv", "tsv", "parquet", "beir" or "folder".

    :raises InputError: if there is no such file. :raises SettingsError: if the format cannot be told, or
        the one named in the settings does not fit.
    """
    asked = settings.format
    if source == STANDARD_INPUT:
        if asked in ("parquet", *FOLDERS):
            raise SettingsError(
                f"Standard input cannot be read as {asked}", f"asked for --format {asked}", "Name a file or folder"
            )
        return "jsonl" if asked == "auto" else asked
    path = Path(source)
    if not path.exists():
        raise InputError(f"{source} does not exist", "asked for a file or a folder of passages", "Check the path")
    if path.is_dir():
        return _folder_format(source, asked)
    return _file_format(source, asked)


def field_names(kind: str, settings: ReaderSettings) -> FieldNames:
    """The names of the fields in a source of this format; BEIR has its own for the id."""
    if kind == "folder":
        return FieldNames()
    usual_id = kind == "beir" and settings.id_field == FieldNames().id
    return FieldNames(
        id=BEIR_ID if usual_id else settings.id_field,
        text=settings.text_field,
        title=settings.title_field,
        language=settings.language_field,
        metadata=settings.metadata_field,
    )


def _folder_format(source: str, asked: str) -> str:
    has_corpus = any((Path(source) / name).is_file() for name in BEIR_FILES)
    if asked == "auto":
        return "beir" if has_corpus else "folder"
    if asked not in FOLDERS:
        raise SettingsError(f"{source} is a folder", f"asked for --format {asked}", "Name a file, or drop --format")
    if asked == "beir" and not has_corpus:
        raise InputError(f"{source} has no {' or '.join(BEIR_FILES)}", "asked for a BEIR folder", "Check the folder")
    return asked


def _file_format(source: str, asked: str) -> str:
    if asked in FOLDERS:
        raise SettingsError(f"{source} is a file", f"asked for --format {asked}", "Name the folder that holds it")
    if asked != "auto":
        return asked
    name = source.lower()
    ending = Path(name if name.endswith(".parquet.gz") else name.removesuffix(".gz")).suffix
    if ending in ENDINGS:
        return ENDINGS[ending]
    raise SettingsError(
        f"The format of {source} cannot be told from its ending",
        f"asked for {', '.join(ENDINGS)}, all but Parquet also with .gz",
        "Name it with --format",
    )


def _beir_corpus(folder: Path) -> Path:
    return next(folder / name for name in BEIR_FILES if (folder / name).is_file())
