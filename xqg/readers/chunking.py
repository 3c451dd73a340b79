"""Splits long texts into chunks that an encoder can read as a whole."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace

from semantic_text_splitter import TextSplitter

from xqg.readers.markdown import MARKDOWN_ENDINGS, looks_like_markdown
from xqg.readers.sections import SectionSplitter
from xqg.records import Passage, digest
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
