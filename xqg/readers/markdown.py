"""Cuts Markdown into its blocks, and puts these together into chunks: a heading stays with what follows it, a table
with its header row, a block of code in its fences.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
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
    tokens = [token for token in _parser().parse(text) if token.level == 0 and token.map and token.nesting >= 0]
    return list(_blocks(_LINE.findall(text), tokens))


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


SplitText = Callable[[str, int], list[str]]
"""Cuts a text into parts of at most so many tokens."""

HEADING_SHARE = 2
"""Headings may take one part in so many of a chunk; longer ones are text like any other."""

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


@dataclass(frozen=True)
class _Unit:
    """What is not cut any more: a block, or a part of one that was too long.

    ``heading`` stands above it where it begins a chunk without having one; ``opens``: it must begin a chunk, because
    it goes on from the last one; ``shared``: it may stand in two chunks, as their overlap.
    """

    text: str
    tokens: int
    heading: str = ""
    opens: bool = False
    shared: bool = False


@dataclass(frozen=True)
class _Section:
    """Headings, outermost first, with what stands below the last of them."""

    headings: tuple[Block, ...]
    body: tuple[Block, ...]


class SectionSplitter:
    """Cuts Markdown into chunks of so many tokens at headings, then between blocks, and within them where it must.

    :param overlap: tokens of whole blocks that neighbours within a section may share.
    """

    def __init__(self, count_tokens: Callable[[str], int], split_text: SplitText, limit: int, overlap: int) -> None:
        """:param split_text: its limit counts as ``count_tokens`` does, special tokens and all."""
        self._count_tokens, self._split, self._overlap = count_tokens, split_text, overlap
        self._special = count_tokens("")
        self._limit = limit - self._special

    def _count(self, text: str) -> int:
        """Tokens without the special ones, so that those of parts add up."""
        return self._count_tokens(text) - self._special

    def _split_text(self, text: str, room: int) -> list[str]:
        return self._split(text, room + self._special)

    def chunks(self, text: str) -> list[str]:
        """The chunks of ``text``, without the white space around them."""
        chunks: list[list[_Unit]] = []
        for section in _sections(parse_blocks(text)):
            units = list(self._units(section))
            room = self._limit - (_size(chunks[-1]) if chunks else self._limit)
            if _size(units) <= room:
                chunks[-1] += units
            else:
                chunks += self._packed(units)
        joined = [(chunk[0].heading + "".join(unit.text for unit in chunk)).strip() for chunk in chunks]
        texts = [chunk for chunk in joined if chunk]
        lonely = len(texts) > 1 and all(block.kind is BlockKind.HEADING for block in parse_blocks(texts[-1]))
        return self._with_company(texts) if lonely else texts

    def _with_company(self, texts: Sequence[str]) -> list[str]:
        """The same where the last one is a heading that nothing follows: it gets the end of the one before it."""
        *before, previous, heading = texts
        *kept, last = parse_blocks(previous)
        room = min(self._limit - self._count(heading), self._count(last.text) * 2 // 3)
        *parts, end = self._parts(last, max(room, 1))
        rest = ("".join(block.text for block in kept) + "".join(parts[:1])).strip()
        return [*before, *([rest] if rest else []), *parts[1:], f"{end.rstrip()}\n\n{heading}"]

    def _packed(self, units: Sequence[_Unit]) -> Iterator[list[_Unit]]:
        """The units of one section, as many in a chunk as there is room for."""
        chunk: list[_Unit] = []
        for unit in units:
            if chunk and (unit.opens or _size(chunk) + unit.tokens > self._limit):
                yield chunk
                chunk = [] if unit.opens else self._carried(chunk, self._limit - unit.tokens)
            chunk.append(unit)
        if chunk:
            yield chunk

    def _carried(self, chunk: Sequence[_Unit], room: int) -> list[_Unit]:
        """The last units of a chunk that fit into the overlap, to begin the next one with."""
        carried: list[_Unit] = []
        room = min(room, self._overlap)
        for unit in reversed(chunk[1:]):
            room -= unit.tokens
            if room < 0 or not unit.shared:
                break
            carried.insert(0, unit)
        return carried

    def _units(self, section: _Section) -> Iterator[_Unit]:
        lead = "".join(block.text for block in section.headings)
        taken = self._count(lead) if lead else 0
        body = list(section.body)
        if taken > self._limit // HEADING_SHARE or not body:
            body.insert(0, Block(BlockKind.TEXT, (lead,)))
            lead, taken = "", 0
        heading = section.headings[-1].text.rstrip() + "\n\n" if lead else ""
        for block in body:
            *parts, last = self._parts(block, self._limit - taken)
            parts.append(last.rstrip() + block.text[len(block.text.rstrip()) :])  # stands apart from the next block
            for number, part in enumerate(parts):
                whole = lead + part
                repeated = "" if lead or block.kind is not BlockKind.TABLE else heading
                shared = not lead and len(parts) == 1 and block.kind is BlockKind.TEXT
                yield _Unit(whole, self._count(repeated + whole), repeated, number > 0, shared)
                lead = ""

    def _parts(self, block: Block, room: int) -> list[str]:
        """The block if there is room for it, else its parts."""
        if self._count(block.text) <= room:
            return [block.text]
        head, end, rows = _fences(block) if block.kind is BlockKind.CODE else ("", "", ())
        if block.kind is BlockKind.TABLE:
            head, rows = "".join(block.lines[:2]), block.lines[2:]
        used = self._count(head + end)
        if not rows or used > room // HEADING_SHARE:
            return self._split_text(block.text, room)
        return [f"{head}{part}{end}" for part in self._joined(rows, room - used)]

    def _joined(self, rows: Sequence[str], room: int) -> Iterator[str]:
        """The rows, as many together as there is room for; one that is too long by itself is cut."""
        part, size = "", 0
        for row in rows:
            pieces = [row] if self._count(row) <= room else self._split_text(row, room)
            for piece in pieces:
                line = piece if piece.endswith(("\n", "\r")) else f"{piece}\n"
                tokens = self._count(line)
                if part and size + tokens > room:
                    yield part
                    part, size = "", 0
                part, size = part + line, size + tokens
        if part.strip():
            yield part


def _size(units: Sequence[_Unit]) -> int:
    return sum(unit.tokens for unit in units)


def _fences(block: Block) -> tuple[str, str, Sequence[str]]:
    """The line that opens a block of code, the one that closes it, and the lines between them."""
    opening, *rows = block.lines
    mark = _FENCE.match(opening)
    closing = "```" if mark is None else mark[1]
    while rows and not rows[-1].strip():
        rows.pop()
    if rows and rows[-1].strip().startswith(closing):
        rows.pop()
    return opening, f"{closing}\n", rows


def _sections(blocks: Sequence[Block]) -> list[_Section]:
    """The sections in their order; headings at the end of a text belong to the section before them, as text."""
    sections: list[_Section] = []
    headings: list[Block] = []
    body: list[Block] = []
    for block in blocks:
        if block.kind is BlockKind.HEADING and body:
            sections.append(_Section(tuple(headings), tuple(body)))
            headings, body = [], []
        (headings if block.kind is BlockKind.HEADING else body).append(block)
    if body or not sections:
        return [*sections, _Section(tuple(headings), tuple(body))]
    last = [Block(BlockKind.TEXT, block.lines) for block in headings]
    return [*sections[:-1], _Section(sections[-1].headings, (*sections[-1].body, *last))]
