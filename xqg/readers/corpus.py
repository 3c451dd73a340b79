"""Reads the passages of all sources: refuses repeated ids, and splits what is too long."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from xqg.errors import SettingsError
from xqg.languages import CorpusLanguage, LanguageDetector
from xqg.readers.chunking import Chunker
from xqg.readers.inputs import STANDARD_INPUT
from xqg.readers.passage_records import PlacedPassage
from xqg.readers.sources import Source, check_source, is_lasting, read_records
from xqg.readers.values import Notes
from xqg.records import Passage, Reject
from xqg.settings import ReaderSettings

logger = logging.getLogger(__name__)

CACHE_KIBIBYTES = 4096
"""What SQLite keeps in memory; eight times as much made half a million ids no faster (4 seconds)."""


class Corpus:
    """The passages of all sources, ready to be stored: each id occurs once, and no text is too long.

    All sources are checked before the first one is read. Of several records with one id the first wins, and the others
    are rejects. A document also owns the ids of its chunks: of a document and a chunk with the same id, the document
    that comes later is rejected as a whole. It can be read as often as its sources can, with the same result.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        settings: ReaderSettings,
        count_tokens: Callable[[str], int],
        detector: LanguageDetector,
    ) -> None:
        """:param sources: files, folders, "-" for standard input, or passages in memory.

        :param count_tokens: tokens of a text for the encoder that the passages are for.
        :param detector: tells the language of passages where neither they nor the settings name one.
        :raises XqgError: if a source cannot be opened or does not fit the settings.
        """
        check_sources(sources, settings)
        self._sources, self._settings, self._detector = tuple(sources), settings, detector
        self._chunker = Chunker(count_tokens, settings)
        self.notes = Notes()

    def __iter__(self) -> Iterator[Passage | Reject]:
        """Read all sources; afterwards ``notes`` holds what this pass changed in records."""
        self.notes = notes = Notes()
        language: CorpusLanguage | None = None
        with closing(SeenIds()) as seen:
            for source in self._sources:
                language = CorpusLanguage(self._detector, before=language)
                for found in read_records(source, self._settings, language, notes):
                    if isinstance(found, Reject):
                        yield found
                    else:
                        yield from _admit(found, seen, self._chunker)

    @property
    def lasting(self) -> bool:
        """Whether it can be read more than once: not from standard input and pipes."""
        return all(is_lasting(source) for source in self._sources)

    def tell(self) -> None:
        """Log what was changed in records so that they could be used."""
        for line in self.notes.lines():
            logger.warning("%s", line)


def passages_from(
    sources: Sequence[str], settings: ReaderSettings, count_tokens: Callable[[str], int], detector: LanguageDetector
) -> Iterator[Passage | Reject]:
    """One pass over a `Corpus`, with its parameters and errors, that tells what it changed at its end."""
    corpus = Corpus(sources, settings, count_tokens, detector)

    def read() -> Iterator[Passage | Reject]:
        yield from corpus
        corpus.tell()

    return read()


def check_sources(sources: Sequence[Source], settings: ReaderSettings) -> None:
    """Look at all sources, as far as that is possible without reading them, before any work starts.

    :raises XqgError: if there is none, or one cannot be opened or does not fit the settings.
    """
    if not sources:
        raise SettingsError("No source is named", "files or folders of passages", "Name at least one")
    if sources.count(STANDARD_INPUT) > 1:
        raise SettingsError("Standard input is named twice; it can be read once", remedy="Drop one of the two")
    for source in sources:
        check_source(source, settings)


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


def _admit(found: PlacedPassage, seen: SeenIds, chunker: Chunker) -> Sequence[Passage | Reject]:
    """The chunks of a document whose ids are free, else the reject."""
    document_id = found.passage.id
    earlier = seen.claim([document_id], document_id, found.file, found.line)
    if earlier is not None:
        return [_reject(found, f"duplicate id {document_id!r}, first seen at {_place(earlier)}")]
    chunks = chunker.chunk(found.passage)
    if len(chunks) > 1:
        earlier = seen.claim([chunk.id for chunk in chunks], document_id, found.file, found.line)
        if earlier is not None:
            return [_reject(found, f"duplicate id {earlier.id!r} of a chunk, first seen at {_place(earlier)}")]
    return chunks


def _place(claim: Claim) -> str:
    place = f"{claim.file}:{claim.line}"
    return place if claim.id == claim.document_id else f"{place} (a chunk of {claim.document_id!r})"


def _reject(found: PlacedPassage, reason: str) -> Reject:
    return Reject(found.file, found.line, reason, found.record)
