"""The service's own records: one SQLite file, locked by one process; every commit is on disk when it returns."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from xqg.errors import SettingsError

SCHEMA = """
CREATE TABLE IF NOT EXISTS collections (name TEXT PRIMARY KEY, settings TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    collection TEXT NOT NULL,
    kind TEXT NOT NULL,
    work TEXT NOT NULL,
    size INTEGER NOT NULL,
    state TEXT NOT NULL,
    cancelling INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    not_before REAL NOT NULL DEFAULT 0,
    counts TEXT NOT NULL DEFAULT '{}',
    error TEXT,
    created REAL NOT NULL,
    started REAL,
    finished REAL
);
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, collection, number);
CREATE TABLE IF NOT EXISTS watched (source TEXT PRIMARY KEY, seen TEXT NOT NULL);
"""


class Database:
    """Opened by one process at a time; its methods may be called from any thread.

    :raises SettingsError: if another process has it open, or it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=2, isolation_level=None, check_same_thread=False)
            self._connection.row_factory = sqlite3.Row
            # one process writes, so the file is locked as long as it is open; FULL: every commit is on disk
            for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL"):
                self._connection.execute(f"PRAGMA {pragma}").fetchall()
            self._connection.executescript(SCHEMA)
            self._connection.execute("BEGIN IMMEDIATE")  # takes the lock
            self._connection.execute("COMMIT")
        except (OSError, sqlite3.Error) as error:
            raise SettingsError(
                f"{path} cannot be opened: {error}",
                "a folder that this service alone uses",
                "Stop the other `xqg serve`, or name another --data",
            ) from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it or nothing; on disk when it is left."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """What a SELECT finds."""
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    def close(self) -> None:
        """Release the file; calling it twice does nothing."""
        with self._lock:
            self._connection.close()
