"""The translation memory: what was translated once, by this translator, is not translated again."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xqg.errors import GenerationError
from xqg.generators.answer_cache import PrivateFile
from xqg.records import digest
from xqg.remade import Remade


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
