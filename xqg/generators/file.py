"""Takes queries and translations that were made elsewhere from a JSON Lines file."""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from xqg.errors import InputError
from xqg.fusion.pieces import split_sentences
from xqg.generators.cleaning import MALFORMED, clean_written
from xqg.identifiers import canonical, identifier
from xqg.languages import names_no_language, told_language
from xqg.protocols import Generation
from xqg.readers.jsonl import PlacedObject, read_objects
from xqg.readers.values import MAX_QUERY_CHARACTERS
from xqg.records import GeneratedQuery, Passage, Translation
from xqg.remade import Remade
from xqg.settings import GeneratorSettings

logger = logging.getLogger(__name__)

PROBLEMS_SHOWN = 5
"""So many bad lines are named in the log; the others are only counted."""

IDS_SHOWN = 3
"""So many ids that belong to no passage are named."""

Row = tuple[str, str, str, str]
"""Passage id, language, text, and what that is: "query" or "text", a translation."""


class FileGenerator(Remade):
    """Queries from lines ``{"passage_id": …, "language": …, "query": …}``, or from an array of such objects in .json.

    Where a line has ``text`` instead of ``query``, that is a translation of the passage, or of one of its sentences.
    Either may be packed with gzip. ``passage_id`` is the id of a passage, or of a document that was split: the queries
    of a document go to each of its chunks that has none under its own id in that language, since the
    file does not tell which chunk answers them.

    The language is taken as given and not checked (`xqg.generators.cleaning.clean_written`).
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
        """The kind and the SHA-256 of all queries in their order; reads the file once."""
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
        """The first queries and all translations of the file for each passage and language.

        Bad lines are counted in the first call.

        :raises InputError: if the file cannot be read or holds no query.
        """
        queries: list[GeneratedQuery] = []
        translations: list[Translation] = []
        dropped: Counter[str] = Counter()
        with self._lock:
            database = self._index()
            if self._malformed:
                dropped[MALFORMED], self._malformed = self._malformed, 0
            for passage, languages in requests:
                for language in languages:
                    cleaned = clean_written(_look_up(database, passage, language, "query"))
                    dropped.update(cleaned.dropped)
                    texts = cleaned.texts[: self._limit]
                    queries += [GeneratedQuery(passage.id, language, text) for text in texts]
                    found = _look_up(database, passage, language, "text")
                    sentences = [sentence for text in found for sentence in split_sentences(text, language)]
                    if sentences:
                        translations.append(Translation(passage.id, language, tuple(dict.fromkeys(sentences))))
        return Generation(tuple(queries), dict(dropped), tuple(translations))

    def meet(self, passages: Sequence[Passage]) -> None:
        """Take note of passages of this run, so that `left_over` can tell whose queries belong to none."""
        ids = dict.fromkeys(name for passage in passages for name in _names(passage))
        with self._lock:
            self._index().executemany("INSERT OR IGNORE INTO met VALUES (?)", [(name,) for name in ids])

    def left_over(self) -> str | None:
        """A sentence about the queries of the file that belong to no passage that was met; None where all do."""
        with self._lock:
            database = self._index()
            condition = "FROM queries WHERE passage_id NOT IN (SELECT passage_id FROM met)"
            (lost,) = database.execute(f"SELECT COUNT(*) {condition}").fetchone()
            if not lost:
                return None
            (total,) = database.execute("SELECT COUNT(*) FROM queries").fetchone()
            found = database.execute(f"SELECT DISTINCT passage_id {condition} ORDER BY rowid LIMIT {IDS_SHOWN + 1}")
            ids = [repr(name) for (name,) in found]
            known = database.execute("SELECT passage_id FROM met LIMIT 1").fetchone()
        shown = ", ".join(ids[:IDS_SHOWN]) + (", …" if len(ids) > IDS_SHOWN else "")
        like = "" if known is None else f"; ids of passages are like {known[0]!r}"
        return f"{lost} of {total} queries in {self._path} belong to no passage of this run: passage_id {shown}{like}"

    def _index(self) -> sqlite3.Connection:
        if self._database is not None:
            return self._database
        # "" is a private database on disk, in the temporary folder, deleted when it is closed
        database = sqlite3.connect("", check_same_thread=False)
        database.execute("CREATE TABLE queries (passage_id TEXT, language TEXT, text TEXT, kind TEXT)")
        database.execute("CREATE TABLE met (passage_id TEXT PRIMARY KEY) WITHOUT ROWID")
        problems = _Problems()
        hasher = hashlib.sha256()
        rows = _read_rows(self._path, hasher, problems)
        database.executemany("INSERT INTO queries VALUES (?, ?, ?, ?)", rows)
        database.execute("CREATE INDEX by_passage ON queries (passage_id, language, kind)")
        if database.execute("SELECT 1 FROM queries LIMIT 1").fetchone() is None:
            database.close()
            first = f"; the first problem: {problems.first[0]}" if problems.first else ""
            raise InputError(f"{self._path} holds no query{first}", _LINES)
        problems.tell()
        self._database, self._hash, self._malformed = database, hasher.hexdigest(), problems.count
        return database


class _Problems:
    """The lines that are no queries: how many, and the first of them."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[str] = []

    def add(self, problem: str) -> None:
        self.count += 1
        if len(self.first) < PROBLEMS_SHOWN:
            self.first.append(problem)

    def tell(self) -> None:
        if self.count:
            more = self.count - len(self.first)
            shown = "; ".join(self.first) + (f"; and {more} more" if more else "")
            logger.warning("%d lines are no queries and are left out: %s", self.count, shown)


_LINES = 'lines like {"passage_id": "7", "language": "fr", "query": "…"}'


def _names(passage: Passage) -> Sequence[str]:
    """The ids under which queries of a passage may stand: its own, then its document's."""
    return tuple(dict.fromkeys([canonical(passage.id), canonical(passage.document_id)]))


def _look_up(database: sqlite3.Connection, passage: Passage, language: str, kind: str) -> list[str]:
    for name in _names(passage):
        rows = database.execute(
            "SELECT text FROM queries WHERE passage_id = ? AND language = ? AND kind = ? ORDER BY rowid",
            (name, language, kind),
        ).fetchall()
        if rows:
            return [str(query) for (query,) in rows]
    return []


def _read_rows(path: Path, hasher: hashlib._Hash, problems: _Problems) -> Iterator[Row]:
    """The good lines of the file; the bad ones go to ``problems`` as "FILE:LINE: reason"."""
    for found in read_objects(str(path)):
        if not isinstance(found, PlacedObject):
            problems.add(f"{path}:{found.line}: {found.reason}")
            continue
        try:
            row = _parse(found.value)
        except ValueError as error:
            problems.add(f"{path}:{found.line}: {error}")
            continue
        hasher.update(json.dumps(row).encode("ascii"))
        yield row


def _parse(record: Mapping[str, Any]) -> Row:
    """:raises ValueError: with the reason, if the record is neither a query nor a translation."""
    kind = "query" if record.get("query") or not record.get("text") else "text"
    key, tag, text = (record.get(name) for name in ("passage_id", "language", kind))
    unfit = {"passage_id": key is None or key == "", "language": names_no_language(tag), kind: not text}
    wrong = [name for name, missing in unfit.items() if missing]
    if wrong or not isinstance(text, str):
        raise ValueError(f"{', '.join(wrong) or kind} missing or no text")
    language = told_language(tag)
    if language is None:
        raise ValueError(f"Unknown language {tag!r:.40}")
    if kind == "query" and len(text) > MAX_QUERY_CHARACTERS:
        raise ValueError(f"the query is {len(text)} characters long, the limit is {MAX_QUERY_CHARACTERS}")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("a lone surrogate, which is no text") from None
    try:
        return identifier(key), language, text, kind
    except ValueError as error:
        raise ValueError(f"passage_id {error}") from None
