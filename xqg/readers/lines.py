"""Numbered lines of a file, a gzip file or standard input, in bounded memory whatever the file holds."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from xqg.readers.inputs import READ_ERRORS, open_bytes, refuse_utf16, told

MAX_LINE_BYTES = 64 * 2**20
"""A longer line is not read into memory: it is skipped and reported."""

KEPT_BYTES = 64 * 2**10
"""How much of a line that is too long is kept for the report."""

UTF8_MARK = b"\xef\xbb\xbf"


def not_utf8(error: UnicodeDecodeError) -> str:
    """Where bytes stop being UTF-8."""
    return f"not UTF-8: 0x{error.object[error.start]:02x} at byte {error.start + 1}"


@dataclass(frozen=True, slots=True)
class Line:
    """A line with its end of line. ``number`` counts from 1.

    ``fault`` says why the line cannot be used (None: it can); ``content`` is then its beginning, or
    empty where nothing could be read.
    """

    number: int
    content: bytes
    fault: str | None = None

    @property
    def raw(self) -> str:
        """The line without its end; bytes that are not UTF-8 are surrogate escapes."""
        return self.content.rstrip(b"\r\n").decode("utf-8", "surrogateescape")


def read_lines(source: str, any_end: bool = False) -> Iterator[Line]:
    """All lines of ``source``, split at line feeds; a byte order mark at the start is taken off.

    A line over `MAX_LINE_BYTES` comes with a fault and its first `KEPT_BYTES`. Where the file turns out
    to be damaged, the last line has a fault and no content.

    :param any_end: where the first line ends at a carriage return alone, as the first Macintosh wrote it, all may.
    :raises InputError: if the file cannot be opened.
    """
    with open_bytes(source) as stream, _reader(stream, any_end and _begins_with_returns(stream)) as (read, ends):
        number = 0
        while True:
            number += 1
            try:
                line = _read_line(read, ends, number)
            except READ_ERRORS as error:
                yield Line(number, b"", f"the rest of the file cannot be read: {told(error)}")
                return
            if line is None:
                return
            if number == 1:
                refuse_utf16(source, line.content)
                line = Line(1, line.content.removeprefix(UTF8_MARK), line.fault)
            yield line


def _begins_with_returns(stream: BinaryIO) -> bool:
    """Whether the first line ends with a carriage return alone, as far as can be seen without reading on."""
    beginning: bytes = stream.peek(KEPT_BYTES) if isinstance(stream, io.BufferedReader | gzip.GzipFile) else b""
    end = min((place for place in map(beginning.find, (b"\n", b"\r")) if place >= 0), default=-1)
    return end >= 0 and beginning[end : end + 2].startswith(b"\r") and beginning[end : end + 2] != b"\r\n"


@contextmanager
def _reader(stream: BinaryIO, any_end: bool) -> Iterator[tuple[Callable[[int], bytes], tuple[bytes, ...]]]:
    """What reads a line of at most so many bytes, with its end, nothing at the end of the file; and the line ends."""
    if not any_end:
        yield stream.readline, (b"\n",)
        return
    # Latin-1 gives every byte back as it was.
    text = io.TextIOWrapper(stream, encoding="latin-1", newline="")
    try:
        yield lambda limit: text.readline(limit).encode("latin-1"), (b"\n", b"\r")
    finally:
        text.detach()


def _read_line(read: Callable[[int], bytes], ends: tuple[bytes, ...], number: int) -> Line | None:
    content = read(MAX_LINE_BYTES + 1)
    if not content:
        return None
    if len(content) <= MAX_LINE_BYTES:
        return Line(number, content)
    complete = content.endswith(ends)
    content = content[:KEPT_BYTES]
    while not complete:
        piece = read(2**20)
        complete = not piece or piece.endswith(ends)
    return Line(number, content, f"the line is longer than {MAX_LINE_BYTES} bytes; only its beginning is kept")
