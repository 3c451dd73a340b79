"""An SQLite file of texts that its owner alone may read: made, with its folders, when it is first used."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

WAIT_SECONDS = 60.0
"""How long to wait for another run that writes to the same file."""


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
            for statement in self._first:
                connection.execute(statement)
            self._connection = connection
        return self._connection
