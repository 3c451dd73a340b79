"""Keeps on disk what an endpoint answered, at once: what was paid for is not asked for again after a refusal or a kill.

The collection is what remembers queries for good; this remembers those that have not reached it.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xqg.errors import READING_ERRORS
from xqg.generators.private_file import PrivateFile
from xqg.messages import brief
from xqg.remade import Remade

logger = logging.getLogger(__name__)

KEPT_DAYS = 30
"""Older answers are deleted: by then they are in a collection, or nobody wants them."""

_DAY = 86_400
_FAILURES: tuple[type[Exception], ...] = (sqlite3.Error, *READING_ERRORS)


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


def _today() -> int:
    return int(time.time()) // _DAY
