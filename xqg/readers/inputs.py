"""Opens what can be read to its end: files, gzip files and standard input; says in one sentence why others cannot."""

from __future__ import annotations

import io
import os
import stat
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from xqg.errors import InputError

STANDARD_INPUT = "-"

UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")

READ_ERRORS = (OSError, EOFError, zlib.error)
"""What reading raises when a disk, a network folder or a compressed file is damaged."""

SHOWN_CHARACTERS = 255
"""So much of a name stands in a message."""

_OPEN_PIPES = ("/dev/fd/", "/proc/", "/dev/stdin")
"""Where the system shows pipes that are open already: a shell's <(command), standard input."""


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


def status_of(source: str) -> os.stat_result:
    """What the system says of a path, behind its links. :raises InputError: if it cannot be reached."""
    if not source:
        raise InputError("A name is empty", "asked for a file or a folder", "Check the command")
    try:
        return Path(source).stat()
    except FileNotFoundError as error:
        raise InputError(f"{source} does not exist", "asked for a file or a folder", "Check the path") from error
    except (OSError, ValueError) as error:  # too long, behind a folder without permission, a loop of links; with NUL
        raise unreadable(source, error) from error


@contextmanager
def open_bytes(source: str) -> Iterator[BinaryIO]:
    """The bytes of a file (decompressed where its name ends in .gz) or, for "-", of standard input.

    :raises InputError: if the file cannot be opened or its very beginning cannot be read.
    """
    if source == STANDARD_INPUT:
        if sys.stdin is None:
            raise InputError("Standard input is closed", "asked for something to read", "Name a file")
        yield sys.stdin.buffer
        return
    refuse_endless(source)
    with ExitStack() as open_files:
        try:
            raw: io.RawIOBase = open_files.enter_context(io.FileIO(source))
            if source.lower().endswith(".gz"):
                raw = GunzipReader(raw)
            stream = open_files.enter_context(io.BufferedReader(raw))
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
        raise InputError(f"{source} is UTF-16", "asked for UTF-8", "Save the file as UTF-8")


def told(error: BaseException) -> str:
    """The bare message of an error: operating system errors repeat the path otherwise."""
    return str(error.strerror) if isinstance(error, OSError) and error.strerror else str(error)


def unreadable(source: str, error: BaseException) -> InputError:
    """The error for a file that cannot be opened or read."""
    shown = source if len(source) <= SHOWN_CHARACTERS else f"{source[:SHOWN_CHARACTERS]}…"
    return InputError(f"{shown} cannot be read: {told(error)}", "asked for a readable file", "Check its path and type")


def refuse_endless(source: str) -> None:
    """:raises InputError: for what is no file. A pipe may be one that nobody writes to, and some devices never end."""
    mode = status_of(source).st_mode
    if stat.S_ISDIR(mode):
        raise InputError(f"{source} is a folder", "asked for a file", "Name a file in it")
    pipe = stat.S_ISFIFO(mode)
    if not (stat.S_ISREG(mode) or (pipe and source.startswith(_OPEN_PIPES))):
        raise InputError(
            f"{source} is a {'pipe' if pipe else 'device or socket'}",
            "asked for a file",
            f"Give it as standard input: - < {source}" if pipe else "Copy what it holds to a file",
        )
