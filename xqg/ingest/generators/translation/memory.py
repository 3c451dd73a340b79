"""The translation memory: what was translated once, by this translator, is not translated again."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xqg.errors import GenerationError
from xqg.records import digest

WAIT_SECONDS = 60.0
"""How long to wait for another run that writes to the same file."""


class TranslationMemory:
    """Translations in an SQLite file, durable one by one; several runs may share it.

    :param path: made, with its folders, at the first use; only its owner may read it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._opened: sqlite3.Connection | None = None

    def recall(self, translator: Mapping[str, Any], target: str, texts: Sequence[str]) -> dict[str, str]:
        """The known translations into ``target`` among those of ``texts``.

        :raises GenerationError: if the file cannot be read.
        """
        keys = {_key(translator, target, text): text for text in texts}
        found = {}
        for key, text in keys.items():
            for (translation,) in self._run("SELECT translation FROM memory WHERE key = ?", (key,)):
                found[text] = str(translation)
        return found

    def remember(self, translator: Mapping[str, Any], target: str, text: str, translation: str) -> None:
        """Keep a translation. :raises GenerationError: if the file cannot be written."""
        self._run("INSERT OR REPLACE INTO memory VALUES (?, ?)", (_key(translator, target, text), translation))

    def _run(self, statement: str, values: tuple[str, ...]) -> list[tuple[Any, ...]]:
        try:
            with self._lock:
                return self._connection().execute(statement, values).fetchall()
        except (sqlite3.Error, OSError) as error:
            raise GenerationError(
                f"The translation memory {self._path} cannot be used: {error}",
                "a place to keep what was translated",
                "Delete that file, or name another folder in XQG_CACHE",
            ) from error

    def _connection(self) -> sqlite3.Connection:
        if self._opened is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.touch(mode=0o600)
            connection = sqlite3.connect(
                self._path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA journal_mode = WAL")
            # a killed process loses nothing so; a power cut may lose the last seconds, which are translated anew
            connection.execute("PRAGMA synchronous = NORMAL")
            columns = "key TEXT PRIMARY KEY, translation TEXT"
            connection.execute(f"CREATE TABLE IF NOT EXISTS memory ({columns}) WITHOUT ROWID")
            self._opened = connection
        return self._opened


def _key(translator: Mapping[str, Any], target: str, text: str) -> str:
    return digest([dict(translator), target, text])
