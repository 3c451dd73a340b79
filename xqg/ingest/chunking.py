"""Splits long texts into chunks that an encoder can read as a whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from semantic_text_splitter import MarkdownSplitter, TextSplitter

from xqg.records import Passage, digest
from xqg.settings import ReaderSettings

MARKDOWN_ENDINGS = (".md", ".markdown")
"""Documents whose id ends so (files of a folder do) are split at their headings first."""


class Chunker:
    """Splits passages at paragraphs, sentences and words, in this order, into chunks of so many tokens."""

    def __init__(self, count_tokens: Callable[[str], int], settings: ReaderSettings) -> None:
        """:param count_tokens: tokens of a text for the encoder that the chunks are for."""
        self._count_tokens = count_tokens
        self._settings = settings
        if settings.chunk:
            size = settings.chunk_tokens, settings.chunk_overlap
            self._text_splitter = TextSplitter.from_callback(count_tokens, *size)
            self._markdown_splitter = MarkdownSplitter.from_callback(count_tokens, *size)

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
        # A token has at least one byte, so a text of no more bytes than that needs no tokenizer, which is
        # the slowest part of reading. (The two or three special tokens may come on top; encoders have room.)
        if not self._settings.chunk or len(text.encode("utf-8")) <= limit or self._count_tokens(text) <= limit:
            return [text]
        is_markdown = passage.id.lower().endswith(MARKDOWN_ENDINGS)
        splitter = self._markdown_splitter if is_markdown else self._text_splitter
        texts: list[str] = splitter.chunks(text)
        return texts if len(texts) > 1 else [text]

    def _document_hash(self, passage: Passage, chunks: int) -> str:
        """Hash of the whole document and how it is split.

        The number of chunks is in it because another tokenizer splits differently with the same
        settings: of a document that had five chunks and now has four, the fifth has to be found stale.
        """
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
