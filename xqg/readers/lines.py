"""Opens files, gzip files and standard input, and numbers their lines, in bounded memory whatever they hold."""

from __future__ import annotations

import gzip
import io
import os
import stat
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from xqg.errors import InputError

STANDARD_INPUT = "-"

UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")

READ_ERRORS = (OSError, EOFError, zlib.error)
"""What reading raises when a disk, a network folder or a compressed file is damaged."""

SHOWN_CHARACTERS = 255
"""So much of a name stands in a message."""

_OPEN_PIPES = ("/dev/fd/", "/proc/", "/dev/stdin")
"""Where the system shows pipes that are open already: a shell's <(command), standard input."""


def status_of(source: str) -> os.stat_result:
    """What the system says of a path, behind its links. :raises InputError: if it cannot be reached."""
    if not source:
        raise InputError("An empty name", "a file or a folder", "Check the command")
    try:
        return Path(source).stat()
    except FileNotFoundError as error:
        raise InputError(f"{source} does not exist", remedy="Check the path") from error
    except (OSError, ValueError) as error:  # too long, behind a folder without permission, a loop of links; with NUL
        raise unreadable(source, error) from error


@contextmanager
def open_bytes(source: str) -> Iterator[BinaryIO]:
    """The bytes of a file (decompressed where its name ends in .gz) or, for "-", of standard input.

    :raises InputError: if the file cannot be opened or its very beginning cannot be read.
    """
    if source == STANDARD_INPUT:
        if sys.stdin is None:
            raise InputError("Standard input is closed", remedy="Name a file")
        yield sys.stdin.buffer
        return
    refuse_endless(source)
    with ExitStack() as open_files:
        try:
            opener: Any = gzip.open if source.lower().endswith(".gz") else open
            stream = open_files.enter_context(opener(source, "rb"))
            beginning = stream.peek(2)
        except READ_ERRORS as error:
            raise unreadable(source, error) from error
        refuse_utf16(source, beginning)
        yield stream


def check_readable(source: str) -> None:
    """Open and close the file. :raises InputError: if it cannot be read or is UTF-16."""
    with open_bytes(source):
        pass


def refuse_utf16(source: str, beginning: bytes) -> None:
    """:raises InputError: if the first bytes of a file are a mark of UTF-16."""
    if beginning.startswith(UTF16_MARKS):
        raise InputError(f"{source} is UTF-16", "UTF-8", "Save the file as UTF-8")


def told(error: BaseException) -> str:
    """The bare message of an error: operating system errors repeat the path otherwise."""
    return str(error.strerror) if isinstance(error, OSError) and error.strerror else str(error)


def unreadable(source: str, error: BaseException) -> InputError:
    """The error for a file that cannot be opened or read."""
    shown = source if len(source) <= SHOWN_CHARACTERS else f"{source[:SHOWN_CHARACTERS]}…"
    return InputError(f"{shown} cannot be read: {told(error)}", remedy="Check its path and type")


def refuse_endless(source: str) -> None:
    """:raises InputError: for what is no file. A pipe may be one that nobody writes to, and some devices never end."""
    mode = status_of(source).st_mode
    if stat.S_ISDIR(mode):
        raise InputError(f"{source} is a folder", "a file", "Name a file in it")
    pipe = stat.S_ISFIFO(mode)
    if not (stat.S_ISREG(mode) or (pipe and source.startswith(_OPEN_PIPES))):
        raise InputError(
            f"{source} is a {'pipe' if pipe else 'device or socket'}",
            "a file",
            f"Give it as standard input: - < {source}" if pipe else "Copy what it holds to a file",
        )


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
