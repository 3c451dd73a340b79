"""Remembers which ids a run has seen, on disk, so that memory does not grow with the corpus."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

CACHE_KIBIBYTES = 4096
"""What SQLite keeps in memory; eight times as much made half a million ids no faster (4 seconds)."""


@dataclass(frozen=True)
class Claim:
    """Who has an id: the document, and the place it was read from."""

    id: str
    document_id: str
    file: str
    line: int


class SeenIds:
    """A set of ids in a private temporary database, which SQLite moves to disk as it grows."""

    def __init__(self) -> None:
        # Autocommit with one transaction that never ends: nothing has to survive, so nothing is made durable.
        # Iterators may move from thread to thread (never two at once), hence no check of the thread.
        self._connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._connection.execute(f"PRAGMA cache_size = -{CACHE_KIBIBYTES}")
        self._connection.execute("PRAGMA journal_mode = OFF")
        self._connection.execute(
            "CREATE TABLE claims (id TEXT PRIMARY KEY, document_id TEXT, file BLOB, line INTEGER) WITHOUT ROWID"
        )
        self._connection.execute("BEGIN")

    def claim(self, ids: Sequence[str], document_id: str, file: str, line: int) -> Claim | None:
        """Take all ``ids`` for a document and return None, or take none and return the claim that is in the way."""
        for one in ids:
            row = self._connection.execute(
                "SELECT id, document_id, file, line FROM claims WHERE id = ?", (one,)
            ).fetchone()
            if row is not None:
                return Claim(row[0], row[1], os.fsdecode(row[2]), row[3])
        place = os.fsencode(file)  # names of files need not be UTF-8, and SQLite's text is
        self._connection.executemany(
            "INSERT INTO claims VALUES (?, ?, ?, ?)", [(one, document_id, place, line) for one in ids]
        )
        return None

    def close(self) -> None:
        """Drop the database; calling it twice does nothing."""
        self._connection.close()
