"""Reads the passages of all sources: refuses repeated ids, and splits what is too long for an encoder to read."""

from __future__ import annotations

import logging
import os
import sqlite3
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from semantic_text_splitter import TextSplitter

from xqg.errors import SettingsError
from xqg.languages import CorpusLanguage, LanguageDetector
from xqg.readers.lines import STANDARD_INPUT
from xqg.readers.markdown import MARKDOWN_ENDINGS, SectionSplitter, looks_like_markdown
from xqg.readers.passage_records import PlacedPassage
from xqg.readers.sources import Source, check_source, read_records
from xqg.readers.values import Notes
from xqg.records import Passage, Reject, digest
from xqg.settings import ReaderSettings

WINDOW_CHARACTERS = 2**14
"""A text is split window by window: without places to break at, splitting takes time squared."""


class Chunker:
    """Splits passages at paragraphs, sentences and words, in this order, into chunks of so many tokens.

    Markdown (files of a folder that end in .md, and texts that look like it) is split at its headings and between its
    blocks first.
    """

    def __init__(self, count_tokens: Callable[[str], int], settings: ReaderSettings) -> None:
        """:param count_tokens: tokens of a text for the encoder that the chunks are for."""
        self._count_tokens = count_tokens
        self._settings = settings

    def chunk(self, passage: Passage) -> list[Passage]:
        """The passage itself if it fits, else its chunks ID#1, ID#2, …; all with document id and document hash.

        Chunks are at most ``chunk_tokens`` long and share at most ``chunk_overlap`` tokens with their
        neighbours; white space around them is cut off. They keep title, language and metadata.
        """
        texts = self._split(passage)
        document_hash = self._document_hash(passage, len(texts))
        common = replace(passage, document_id=passage.id, document_hash=document_hash, chunk=1, chunks=len(texts))
        if len(texts) == 1:
            return [common]
        return [
            replace(common, id=f"{passage.id}#{number}", text=text, chunk=number)
            for number, text in enumerate(texts, start=1)
        ]

    def _split(self, passage: Passage) -> list[str]:
        text, limit = passage.text, self._settings.chunk_tokens
        if not self._settings.chunk or self._fits(text, limit):
            return [text]
        if passage.id.lower().endswith(MARKDOWN_ENDINGS) or looks_like_markdown(text):
            overlap = self._settings.chunk_overlap
            texts = SectionSplitter(self._count_tokens, self._split_text, limit, overlap).chunks(text)
        else:
            texts = self._split_text(text, limit)
        return texts if len(texts) > 1 else [text]

    def _fits(self, text: str, limit: int) -> bool:
        # A token has at least one byte, so a text of no more bytes than that needs no tokenizer, which is
        # the slowest part of reading. (The two or three special tokens may come on top; encoders have room.)
        if len(text.encode("utf-8")) <= limit:
            return True
        return len(text) <= WINDOW_CHARACTERS and self._count_tokens(text) <= limit

    def _split_text(self, text: str, limit: int) -> list[str]:
        """Parts of at most ``limit`` tokens."""
        overlap = min(self._settings.chunk_overlap, limit // 2)
        splitter = TextSplitter.from_callback(self._count_tokens, limit, overlap)
        return [part for window in _windows(text) for part in splitter.chunks(window)]

    def _document_hash(self, passage: Passage, chunks: int) -> str:
        """Hash of the whole document and how it is split: another tokenizer may give another number of chunks."""
        settings = self._settings
        return digest(
            [
                passage.id,
                passage.title,
                passage.text,
                passage.language,
                dict(passage.metadata),
                [settings.chunk_tokens, settings.chunk_overlap] if settings.chunk else None,
                chunks,
            ]
        )


def _windows(text: str) -> Iterator[str]:
    """``text`` in pieces of at most `WINDOW_CHARACTERS`, cut where a paragraph, a line or a word ends if one does."""
    start = 0
    while len(text) - start > WINDOW_CHARACTERS:
        earliest, latest = start + WINDOW_CHARACTERS // 2, start + WINDOW_CHARACTERS
        ends = (text.rfind(mark, earliest, latest) + len(mark) for mark in ("\n\n", "\n", " "))
        end = next((end for end in ends if end > earliest), latest)
        while end > earliest and unicodedata.combining(text[end]):  # a letter keeps its accents
            end -= 1
        yield text[start:end]
        start = end
    yield text[start:]


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

    def tell(self) -> None:
        """Log what was changed in records so that they could be used."""
        for line in self.notes.lines():
            logger.warning("%s", line)


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
