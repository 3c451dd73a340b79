"""Cuts Markdown into its blocks: headings, tables, blocks of code, and text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

MARKDOWN_ENDINGS = (".md", ".markdown")

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_SIGNS = re.compile(r"^ {0,3}(?:#{1,6}[ \t]+\S|```|~~~|\|?[ \t]*:?-{3,}:?[ \t]*\|)", re.MULTILINE)


class BlockKind(Enum):
    """What a block is; lists, quotations and paragraphs are all text."""

    HEADING = "heading"
    TABLE = "table"
    CODE = "code"
    TEXT = "text"


_KINDS = {"heading_open": BlockKind.HEADING, "table_open": BlockKind.TABLE, "fence": BlockKind.CODE}


@dataclass(frozen=True)
class Block:
    """A block with the blank lines behind it, as they are written; joined, the blocks of a text are the text."""

    kind: BlockKind
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The lines as one."""
        return "".join(self.lines)


def looks_like_markdown(text: str) -> bool:
    """Whether a line of ``text`` begins a heading or a block of code, or rules a table."""
    return _SIGNS.search(text) is not None


def first_heading(text: str) -> str | None:
    """The first heading that is not empty, marked with # or underlined, without its marks; None if there is none."""
    for opening, content in pairwise(_parser().parse(text)):
        if opening.type == "heading_open" and opening.level == 0 and content.content.strip():
            return " ".join(content.content.split())
    return None


def parse_blocks(text: str) -> list[Block]:
    """The blocks of ``text`` in their order; what stands within lists and quotations is not told apart."""
    return list(_blocks(_LINE.findall(text), [token for token in _parser().parse(text) if _is_block(token)]))


def _is_block(token: Token) -> bool:
    return token.level == 0 and token.map is not None and token.nesting >= 0


def _blocks(lines: Sequence[str], tokens: Sequence[Token]) -> Iterator[Block]:
    end = 0
    for number, token in enumerate(tokens):
        start, own_end = token.map or (end, end)
        following = tokens[number + 1].map if number + 1 < len(tokens) else None
        end = len(lines) if following is None else following[0]
        if number == 0 and start > 0:
            yield from _gap(lines[:start])
        # definitions of links make no block; they stand in no table and in no code
        blank = own_end
        while blank < end and not lines[blank].strip():
            blank += 1
        yield Block(_KINDS.get(token.type, BlockKind.TEXT), tuple(lines[start:blank]))
        yield from _gap(lines[blank:end])
    if not tokens:
        yield from _gap(lines)


def _gap(lines: Sequence[str]) -> Iterator[Block]:
    if lines:
        yield Block(BlockKind.TEXT, tuple(lines))


def _parser() -> MarkdownIt:
    """CommonMark with tables, blocks only: what stands within a line is not looked at."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark").enable("table")
    parser.core.ruler.enableOnly(["normalize", "block"])
    return parser
