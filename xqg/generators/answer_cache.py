"""Keeps on disk, at once, what an endpoint answered and what was translated: neither is asked for again after a kill.

The collection is what remembers queries for good; the answers are those that have not reached it.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tenacity import Retrying, retry_if_exception_message, stop_after_delay, wait_fixed

from xqg.errors import READING_ERRORS, GenerationError
from xqg.messages import brief
from xqg.records import digest
from xqg.remade import Remade

logger = logging.getLogger(__name__)

KEPT_DAYS = 30
"""Older answers are deleted: by then they are in a collection, or no longer wanted."""

WAIT_SECONDS = 60.0
"""How long to wait for another run that writes to the same file."""

_DAY = 86_400
_FAILURES: tuple[type[Exception], ...] = (sqlite3.Error, *READING_ERRORS)


class PrivateFile:
    """For several threads and processes; each statement is kept when `run` returns.

    :param first: statements run whenever it is opened, like those that make its tables.
    """

    def __init__(self, path: Path, first: Sequence[str]) -> None:
        self.path, self._first = path, tuple(first)
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def run(self, statement: str, *values: Any) -> list[Any]:
        """The rows that a statement gives. :raises sqlite3.Error: :raises OSError: if the file cannot be used."""
        with self._lock:
            return self._opened().execute(statement, values).fetchall()

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.touch(mode=0o600)  # it tells what the passages are about
            connection = sqlite3.connect(self.path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False)
            # SQLite waits for others that write, but not for others that turn the same new file to WAL
            patiently = Retrying(
                retry=retry_if_exception_message(match=".*locked"),
                stop=stop_after_delay(WAIT_SECONDS),
                wait=wait_fixed(0.05),
                reraise=True,
            )
            for statement in self._first:
                patiently(connection.execute, statement)
            self._connection = connection
        return self._connection


class KeptAnswers(Remade):
    """Texts by key in one file, for several threads and processes; opened when it is first used.

    A file that cannot be read or written costs money, but no run: that is logged once, and nothing is kept from then
    on.
    """

    def __init__(self, path: Path) -> None:
        self._file = PrivateFile(
            path,
            (
                "PRAGMA synchronous = OFF",  # a kill loses nothing; what a power cut loses is asked again
                "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, texts TEXT, day INTEGER)",
                f"DELETE FROM answers WHERE day < {_today() - KEPT_DAYS:d}",  # noqa: S608 - a number
            ),
        )
        self._is_usable = True

    def find(self, key: str) -> list[str] | None:
        """The texts kept under ``key``; None if there are none."""
        rows = self._run("SELECT texts FROM answers WHERE key = ?", key)
        try:
            texts = json.loads(rows[0][0]) if rows else None
        except READING_ERRORS:
            return None
        return texts if isinstance(texts, list) and all(isinstance(text, str) for text in texts) else None

    def keep(self, key: str, texts: Sequence[str]) -> None:
        """Keep the texts; they are with the operating system when this returns."""
        self._run("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", key, json.dumps(list(texts)), _today())

    def forget(self, key: str) -> None:
        """Delete what is kept under ``key``."""
        self._run("DELETE FROM answers WHERE key = ?", key)

    def _run(self, statement: str, *values: Any) -> list[Any]:
        if not self._is_usable:
            return []
        try:
            return self._file.run(statement, *values)
        except _FAILURES as error:
            if self._is_usable:
                self._is_usable = False
                logger.warning(
                    "Answers cannot be kept in %s, so a stopped run asks again: %s", self._file.path, brief(str(error))
                )
            return []


class TranslationMemory(Remade):
    """Translations in an SQLite file, durable one by one; several runs may share it.

    :param path: made at the first use; only its owner may read it.
    """

    def __init__(self, path: Path) -> None:
        self._file = PrivateFile(
            path,
            (
                "PRAGMA journal_mode = WAL",
                # a killed process loses nothing so; a power cut may lose the last seconds, which are translated anew
                "PRAGMA synchronous = NORMAL",
                "CREATE TABLE IF NOT EXISTS memory (key TEXT PRIMARY KEY, translation TEXT) WITHOUT ROWID",
            ),
        )

    def recall(self, translator: Mapping[str, Any], target: str, texts: Sequence[str]) -> dict[str, str]:
        """The known translations into ``target`` among those of ``texts``.

        :raises GenerationError: if the file cannot be read.
        """
        found = {}
        for text in texts:
            for (translation,) in self._run(
                "SELECT translation FROM memory WHERE key = ?", _key(translator, target, text)
            ):
                found[text] = str(translation)
        return found

    def remember(self, translator: Mapping[str, Any], target: str, text: str, translation: str) -> None:
        """Keep a translation. :raises GenerationError: if the file cannot be written."""
        self._run("INSERT OR REPLACE INTO memory VALUES (?, ?)", _key(translator, target, text), translation)

    def _run(self, statement: str, *values: str) -> list[Any]:
        try:
            return self._file.run(statement, *values)
        except (sqlite3.Error, OSError) as error:
            raise GenerationError(
                f"The translation memory {self._file.path} cannot be used: {error}",
                "",
                "Delete that file, or name another folder in XQG_CACHE",
            ) from error


def _key(translator: Mapping[str, Any], target: str, text: str) -> str:
    return digest([dict(translator), target, text])


def _today() -> int:
    return int(time.time()) // _DAY
