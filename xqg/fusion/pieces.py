"""The pieces of a passage: the texts that are encoded as if they were questions, beside the passage itself.

*Whole* pieces are about all of the passage (its title, its generated queries) and enter its first row. Its sentences
are about parts of it and get a row each: in the mean they cost English questions and short descriptions. Nothing of the
text is without a piece: headings and other short lines join the sentence after them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from unicodedata import east_asian_width

from xqg.records import Passage

SHORTEST = 15
"""Columns; a shorter sentence (a heading, a number of a list) joins the one after it."""

LONGEST = 600
"""Columns; a longer sentence (a table, code, Thai, which has no full stops) is cut where a line or a word ends."""

_BLANKS = re.compile(r"\s+")


class PieceKind(str, Enum):
    """What a piece is made of."""

    TITLE = "title"
    SENTENCE = "sentence"
    QUERY = "query"


@dataclass(frozen=True)
class Piece:
    """A text that is encoded as a question. ``whole``: about all of the passage; ``viewed``: has a row of its own."""

    kind: PieceKind
    text: str
    language: str
    whole: bool
    viewed: bool


def passage_pieces(passage: Passage, queries: Mapping[str, Sequence[str]] | None = None) -> list[Piece]:
    """The pieces of a passage in a fixed order: title, sentences, generated queries by language."""
    return [*_own_pieces(passage), *query_pieces(queries or {})]


def query_pieces(queries: Mapping[str, Sequence[str]]) -> Iterator[Piece]:
    """The generated queries, by language, as pieces."""
    for language, texts in queries.items():
        for text in texts:
            yield Piece(PieceKind.QUERY, text, language, whole=True, viewed=False)


def _own_pieces(passage: Passage) -> Iterator[Piece]:
    title = passage.title.strip()
    if title:
        yield Piece(PieceKind.TITLE, title, passage.language, whole=True, viewed=True)
    for sentence in split_sentences(passage.text, passage.language):
        yield Piece(PieceKind.SENTENCE, sentence, passage.language, whole=False, viewed=True)


def split_sentences(text: str, language: str) -> list[str]:
    """The sentences of ``text`` on one line each, none under `SHORTEST` unless the text is, none over `LONGEST`.

    :param language: ISO 639-1 code, for abbreviations; unknown ones are split by Unicode's sentence marks.
    """
    import sentencex

    sentences: list[str] = []
    waiting = ""
    for found in sentencex.segment(language, text):
        waiting += found
        sentence = _BLANKS.sub(" ", waiting).strip()
        if _width(sentence) >= SHORTEST:
            sentences.extend(_cut(sentence))
            waiting = ""
    rest = _BLANKS.sub(" ", waiting).strip()
    if rest and sentences:
        sentences[-1] = f"{sentences[-1]} {rest}"
    elif rest:
        sentences.append(rest)
    return sentences


def _width(text: str) -> int:
    """Columns of ``text``: Chinese, Japanese and Korean say in one character what takes others two and more."""
    return len(text) + sum(east_asian_width(character) in "WF" for character in text)


def _cut(sentence: str) -> Iterator[str]:
    """``sentence`` in equal parts of at most `LONGEST` characters, cut at blanks where there are some."""
    parts = -(-_width(sentence) // LONGEST)
    start = 0
    for number in range(1, parts):
        aim = len(sentence) * number // parts
        blank = sentence.rfind(" ", start + 1, aim + 1)
        end = blank if blank > start else aim
        yield sentence[start:end].strip()
        start = end
    yield sentence[start:].strip()
