"""Numbered lines of a file, a gzip file or standard input, in bounded memory whatever the file holds."""

from __future__ import annotations

import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from xqg.errors import InputError

STANDARD_INPUT = "-"

MAX_LINE_BYTES = 64 * 2**20
"""A longer line is not read into memory: it is skipped and reported."""

KEPT_BYTES = 64 * 2**10
"""How much of a line that is too long is kept for the report."""

UTF8_MARK = b"\xef\xbb\xbf"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")

READ_ERRORS = (OSError, EOFError, zlib.error)
"""What reading raises when a disk, a network folder or a compressed file is damaged."""


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


class GunzipReader(io.RawIOBase):
    """Decompresses a gzip stream, and gives everything that stands before a damaged place.

    The standard library's reader loses up to 128 KiB of good text before the damage, which is all of a
    small file. This one feeds the decompressor so little at a time that it loses about one line.
    """

    _PIECE_BYTES = 64
    _READ_BYTES = 2**16

    def __init__(self, source: io.RawIOBase) -> None:
        super().__init__()
        self._source = source
        self._decompressor = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        self._compressed = memoryview(b"")
        self._text = b""
        self._finished = False

    def readable(self) -> bool:
        """Always True."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill ``buffer`` and return how many bytes were written, 0 at the end.

        :raises EOFError: if the file ends too early. :raises zlib.error: if it is damaged.
        """
        while not self._text:
            if not self._advance():
                return 0
        count = min(len(buffer), len(self._text))
        buffer[:count] = self._text[:count]
        self._text = self._text[count:]
        return count

    def _advance(self) -> bool:
        """Decompress one more piece; False at the proper end of the file."""
        if self._decompressor.eof:
            self._compressed = memoryview(self._decompressor.unused_data + bytes(self._compressed))
            self._decompressor = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
            self._skip_padding()
            self._finished = not self._compressed
        if self._finished:
            return False
        self._fill()
        if not self._compressed:
            raise EOFError("the compressed file ends too early")
        self._text = self._decompressor.decompress(self._compressed[: self._PIECE_BYTES])
        self._compressed = self._compressed[self._PIECE_BYTES :]
        return True

    def _fill(self) -> None:
        if not self._compressed:
            self._compressed = memoryview(self._source.read(self._READ_BYTES) or b"")

    def _skip_padding(self) -> None:
        """Go to the next member; tapes and block devices pad a gzip file with zeros."""
        while True:
            self._compressed = memoryview(bytes(self._compressed).lstrip(b"\x00"))
            if self._compressed:
                return
            self._fill()
            if not self._compressed:
                return


@contextmanager
def open_bytes(source: str) -> Iterator[BinaryIO]:
    """The bytes of a file (decompressed where its name ends in .gz) or, for "-", of standard input.

    :raises InputError: if the file cannot be opened or its very beginning cannot be read.
    """
    if source == STANDARD_INPUT:
        yield sys.stdin.buffer
        return
    with ExitStack() as open_files:
        try:
            raw: io.RawIOBase = open_files.enter_context(io.FileIO(source))
            if source.lower().endswith(".gz"):
                raw = GunzipReader(raw)
            stream = open_files.enter_context(io.BufferedReader(raw))
            beginning = stream.peek(2)
        except READ_ERRORS as error:
            raise _unreadable(source, error) from error
        _refuse_utf16(source, beginning)
        yield stream


def check_readable(source: str) -> None:
    """Open and close the file. :raises InputError: if it cannot be read or is UTF-16."""
    with open_bytes(source):
        pass


def read_lines(source: str) -> Iterator[Line]:
    """All lines of ``source``, split at line feeds; a byte order mark at the start is taken off.

    A line over `MAX_LINE_BYTES` comes with a fault and its first `KEPT_BYTES`. Where the file turns out
    to be damaged, the last line has a fault and no content.

    :raises InputError: if the file cannot be opened.
    """
    with open_bytes(source) as stream:
        number = 0
        while True:
            number += 1
            try:
                line = _read_line(stream, number)
            except READ_ERRORS as error:
                yield Line(number, b"", f"the rest of the file cannot be read: {_told(error)}")
                return
            if line is None:
                return
            if number == 1:
                _refuse_utf16(source, line.content)
                line = Line(1, line.content.removeprefix(UTF8_MARK), line.fault)
            yield line


def _read_line(stream: BinaryIO, number: int) -> Line | None:
    content = stream.readline(MAX_LINE_BYTES + 1)
    if not content:
        return None
    if len(content) <= MAX_LINE_BYTES:
        return Line(number, content)
    complete = content.endswith(b"\n")
    content = content[:KEPT_BYTES]
    while not complete:
        piece = stream.readline(2**20)
        complete = not piece or piece.endswith(b"\n")
    return Line(number, content, f"the line is longer than {MAX_LINE_BYTES} bytes; only its beginning is kept")


def _refuse_utf16(source: str, beginning: bytes) -> None:
    if beginning.startswith(UTF16_MARKS):
        raise InputError(f"{source} is UTF-16", "asked for UTF-8", "Save the file as UTF-8")


def _unreadable(source: str, error: BaseException) -> InputError:
    return InputError(
        f"{source} cannot be read: {_told(error)}", "asked for a readable file", "Check its path and type"
    )


def _told(error: BaseException) -> str:
    """The bare message of an error: operating system errors repeat the path otherwise."""
    return str(error.strerror) if isinstance(error, OSError) and error.strerror else str(error)
