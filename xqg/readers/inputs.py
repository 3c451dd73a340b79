"""Opens files, gzip files and standard input, and says in one sentence why something cannot be read."""

from __future__ import annotations

import gzip
import os
import stat
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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
