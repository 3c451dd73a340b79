"""Takes queries that were written or generated elsewhere from a JSON Lines file."""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import sqlite3
import threading
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, cast

from xqg.errors import InputError, SettingsError
from xqg.ingest.cleaning import MALFORMED, clean_written
from xqg.languages import language_name
from xqg.protocols import Generation
from xqg.records import GeneratedQuery, Passage
from xqg.settings import GeneratorSettings

logger = logging.getLogger(__name__)

PROBLEMS_SHOWN = 5
"""So many bad lines are named in the log; the others are only counted."""

Row = tuple[str, str, str]
"""Passage id, language, query."""


class FileGenerator:
    """Queries from lines ``{"passage_id": …, "language": …, "query": …}``, plain or gzip.

    ``passage_id`` is the id of a passage, or of a document that was split: the queries of a document go to
    each of its chunks that has none under its own id in that language, since nobody knows which chunk answers them.

    The user vouches for the language, so it is not checked (`xqg.ingest.cleaning.clean_written`).
    The file is read once, into a temporary database on disk, so memory does not grow with it.
    """

    metered = False

    def __init__(self, settings: GeneratorSettings) -> None:
        self._path = Path(settings.spec.removeprefix("file:"))
        self._limit = settings.queries_per_language
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None
        self._hash = ""
        self._malformed = 0

    @property
    def identity(self) -> Mapping[str, Any]:
        """The kind and the SHA-256 of the (unpacked) content; reads the file once."""
        with self._lock:
            self._index()
            return {"kind": "file", "sha256": self._hash}

    def check(self) -> None:
        """:raises InputError: if the file cannot be read or holds no query."""
        with self._lock:
            self._index()

    def languages(self) -> tuple[str, ...]:
        """The languages in the file, sorted. :raises InputError: if the file cannot be read."""
        with self._lock:
            rows = self._index().execute("SELECT DISTINCT language FROM queries ORDER BY language")
            return tuple(str(language) for (language,) in rows)

    def generate(self, requests: Sequence[tuple[Passage, Sequence[str]]]) -> Generation:
        """The first queries of the file for each passage and language; bad lines are counted in the first call.

        :raises InputError: if the file cannot be read or holds no query.
        """
        queries: list[GeneratedQuery] = []
        dropped: Counter[str] = Counter()
        with self._lock:
            database = self._index()
            if self._malformed:
                dropped[MALFORMED], self._malformed = self._malformed, 0
            for passage, languages in requests:
                for language in languages:
                    cleaned = clean_written(_look_up(database, passage, language))
                    dropped.update(cleaned.dropped)
                    texts = cleaned.texts[: self._limit]
                    queries += [GeneratedQuery(passage.id, language, text) for text in texts]
        return Generation(tuple(queries), dict(dropped))

    def _index(self) -> sqlite3.Connection:
        if self._database is not None:
            return self._database
        # "" is a private database on disk, in the temporary folder, deleted when it is closed
        database = sqlite3.connect("", check_same_thread=False)
        database.execute("CREATE TABLE queries (passage_id TEXT, language TEXT, query TEXT)")
        problems: list[str] = []
        hasher = hashlib.sha256()
        rows = _read_rows(self._path, hasher, problems)
        database.executemany("INSERT INTO queries VALUES (?, ?, ?)", rows)
        database.execute("CREATE INDEX by_passage ON queries (passage_id, language)")
        if database.execute("SELECT 1 FROM queries LIMIT 1").fetchone() is None:
            database.close()
            first = f"; the first problem: {problems[0]}" if problems else ""
            raise InputError(f"{self._path} holds no query{first}", _ASKED)
        _report(problems)
        self._database, self._hash, self._malformed = database, hasher.hexdigest(), len(problems)
        return database


_ASKED = 'asked for lines like {"passage_id": "7", "language": "fr", "query": "…"}'


def _look_up(database: sqlite3.Connection, passage: Passage, language: str) -> list[str]:
    for identifier in dict.fromkeys([passage.id, passage.document_id]):
        rows = database.execute(
            "SELECT query FROM queries WHERE passage_id = ? AND language = ? ORDER BY rowid", (identifier, language)
        ).fetchall()
        if rows:
            return [str(query) for (query,) in rows]
    return []


def _read_rows(path: Path, hasher: hashlib._Hash, problems: list[str]) -> Iterator[Row]:
    """The good lines of the file; the bad ones go to ``problems`` as "FILE:LINE: reason"."""
    try:
        with _open(path) as lines:
            for number, line in enumerate(lines, start=1):
                hasher.update(line)
                if not line.strip():
                    continue
                try:
                    yield _parse(line)
                except ValueError as error:
                    problems.append(f"{path}:{number}: {error}")
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"Cannot read {path}: {error}", _ASKED) from error


def _open(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def _parse(line: bytes) -> Row:
    """:raises ValueError: with the reason, if the line is no query."""
    record = json.loads(line.decode("utf-8-sig"))
    if not isinstance(record, dict):
        raise ValueError("not a JSON object")
    values = {name: record.get(name) for name in ("passage_id", "language", "query")}
    if type(values["passage_id"]) is int:
        values["passage_id"] = str(values["passage_id"])
    wrong = [name for name, value in values.items() if not isinstance(value, str) or not value]
    if wrong:
        raise ValueError(f"{', '.join(wrong)} missing or no text")
    passage_id, language, query = (str(value) for value in values.values())
    try:
        language_name(language)
    except SettingsError as error:
        raise ValueError(error.found) from None
    try:
        "".join((passage_id, query)).encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("a lone surrogate, which is no text") from None
    return passage_id, language, query


def _report(problems: Sequence[str]) -> None:
    if not problems:
        return
    shown = "; ".join(problems[:PROBLEMS_SHOWN])
    more = f"; and {len(problems) - PROBLEMS_SHOWN} more" if len(problems) > PROBLEMS_SHOWN else ""
    logger.warning("%d lines are no queries and are left out: %s%s", len(problems), shown, more)
