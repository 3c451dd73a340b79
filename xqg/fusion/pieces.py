"""The pieces of a passage: the texts that are encoded as if they were questions, beside the passage itself.

*Whole* pieces are about all of the passage and enter its first row: its title, its first sentence, which says what the
text is about or is its heading, and its generated queries. The other sentences are about parts of it: in the first row
they cost English questions and short descriptions. Title and sentences get a row each. Nothing of the text is without a
piece: short headings join the sentence after them. A translation shares the row of the piece that it translates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from unicodedata import east_asian_width

from xqg.records import Passage, Texts

SHORTEST = 15
"""Columns; a shorter sentence (a heading, a number of a list) joins the one after it."""

LONGEST = 600
"""Columns; a longer sentence (a table, code, Thai, which has no full stops) is cut where a line or a word ends."""

NARROWEST, WRAPPED = 60, 100
"""Characters; editors wrap lines at a width between these. In other texts each line is meant as one."""

_ITEM = re.compile(r"[-*+•‣·–] |\(?\w{1,3}[.)] ")

_BLANKS = re.compile(r"\s+")


class PieceKind(str, Enum):
    """What a piece is made of."""

    TITLE = "title"
    SENTENCE = "sentence"
    QUERY = "query"
    TRANSLATION = "translation"


@dataclass(frozen=True)
class Piece:
    """A text that is encoded as a question. ``whole``: about all of the passage; ``viewed``: has a row of its own."""

    kind: PieceKind
    text: str
    language: str
    whole: bool
    viewed: bool


def passage_pieces(passage: Passage, texts: Texts | None = None) -> list[Piece]:
    """The pieces of a passage in a fixed order: title, sentences, generated queries by language, translations."""
    if texts is None:
        return list(_own_pieces(passage))
    return [*_own_pieces(passage), *query_pieces(texts.queries), *_translations(texts.translations)]


def own_texts(passage: Passage) -> list[str]:
    """What there is to translate of a passage: its title and sentences."""
    return [piece.text for piece in _own_pieces(passage)]


def query_pieces(queries: Mapping[str, Sequence[str]]) -> Iterator[Piece]:
    """The generated queries, by language, as pieces."""
    for language, texts in queries.items():
        for text in texts:
            yield Piece(PieceKind.QUERY, text, language, whole=True, viewed=False)


def _translations(translations: Mapping[str, Sequence[str]]) -> Iterator[Piece]:
    for language, texts in translations.items():
        for text in texts:
            yield Piece(PieceKind.TRANSLATION, text, language, whole=False, viewed=False)


def _own_pieces(passage: Passage) -> Iterator[Piece]:
    title = passage.title.strip()
    if title:
        yield Piece(PieceKind.TITLE, title, passage.language, whole=True, viewed=True)
    for number, sentence in enumerate(split_sentences(passage.text, passage.language)):
        yield Piece(PieceKind.SENTENCE, sentence, passage.language, whole=number == 0, viewed=True)


def split_sentences(text: str, language: str) -> list[str]:
    """The sentences of ``text`` on one line each, none under `SHORTEST` unless the text is, none over `LONGEST`.

    :param language: ISO 639-1 code, for abbreviations; unknown ones are split by Unicode's sentence marks.
    """
    import sentencex

    sentences: list[str] = []
    waiting = ""
    for block in paragraphs(text):
        for found in sentencex.segment(language, block):
            waiting = f"{waiting} {found}".strip() if waiting else found.strip()
            if columns(waiting) >= SHORTEST:
                sentences.extend(_cut(waiting))
                waiting = ""
    if waiting and sentences:
        sentences[-1] = f"{sentences[-1]} {waiting}"
    elif waiting:
        sentences.append(waiting)
    return sentences


def paragraphs(text: str) -> Iterator[str]:
    """The paragraphs, headings and items of ``text``: its lines, but for the line breaks that only wrap a sentence.

    Where no line is wider than `WRAPPED`, a line goes on in the next one if that starts with a small letter, or if its
    first word would not have fit into the width of the text; but an item of a list is a line of its own.
    """
    lines = [_BLANKS.sub(" ", line).strip() for line in text.splitlines()]
    width = max(map(len, lines), default=0)
    block = before = ""
    for line in lines:
        first_word = line.split(" ", 1)[0]
        full = width >= NARROWEST and len(before) + 1 + len(first_word) > width
        goes_on = first_word[:1].islower() or (full and not _ITEM.match(line))
        if block and not (width <= WRAPPED and before and line and goes_on):
            yield block
            block = ""
        block = f"{block} {line}".strip()
        before = line
    if block:
        yield block


def columns(text: str) -> int:
    """Columns of ``text``: Chinese, Japanese and Korean say in one character what takes others two and more."""
    return len(text) + sum(east_asian_width(character) in "WF" for character in text)


def _cut(sentence: str) -> Iterator[str]:
    """``sentence`` in equal parts of at most `LONGEST` characters, cut at blanks where there are some."""
    parts = -(-columns(sentence) // LONGEST)
    start = 0
    for number in range(1, parts):
        aim = len(sentence) * number // parts
        blank = sentence.rfind(" ", start + 1, aim + 1)
        end = blank if blank > start else aim
        yield sentence[start:end].strip()
        start = end
    yield sentence[start:].strip()
