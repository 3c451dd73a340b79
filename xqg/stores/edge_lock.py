"""One process at a time for the folder of an embedded collection, from before it is made; the others learn who has it.

The engine locks what it has opened, but not a folder in which a collection is just being made.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import IO

from xqg.errors import StoreError

LOCK = "xqg.lock"
"""Stays where it is: a lock file that is deleted could be locked twice."""

TRIES = 5

_BUSY = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)


class FolderLock:
    """The lock of the folder ``place``, which is made where it is missing; it ends with the process at the latest."""

    def __init__(self, place: Path) -> None:
        """:raises StoreError: if another process, or another part of this one, has it, or the folder is refused."""
        try:
            place.mkdir(parents=True, exist_ok=True)
            # kept open, and closed by `release`
            self._file = (place / LOCK).open("a+", encoding="utf-8")
        except OSError as error:
            raise StoreError(f"{place} cannot be used: {error}", "asked to lock it", "Name another folder") from error
        try:
            _lock(self._file)
        except OSError as error:
            holder = _holder(self._file)
            self._file.close()
            if error.errno not in _BUSY:
                raise StoreError(f"{place} cannot be locked: {error}", "", "Name a folder on another disk") from error
            raise StoreError(
                f"The collection at {place} is open elsewhere: {holder}",
                "asked to open it",
                "Wait for it or end it, or use a Qdrant server, which serves many",
            ) from None
        self._write_holder()

    def release(self) -> None:
        """Let others have it; calling it twice does nothing."""
        if not self._file.closed:
            with suppress(OSError):
                _unlock(self._file)  # closing alone would leave it to child processes that have the file open too
            self._file.close()

    def _write_holder(self) -> None:
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        with suppress(OSError):  # a full disk: the lock holds all the same, only its holder cannot be told
            self._file.truncate(0)
            self._file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": now}))
            self._file.flush()


def _holder(file: IO[str]) -> str:
    """Who has the lock, as far as that can be told."""
    try:
        for _ in range(TRIES):
            file.seek(0)
            text = file.read(1000)
            if text:
                break
            time.sleep(0.02)  # who has just got it is about to write who it is
        told = json.loads(text)
        return f"by process {int(told['pid'])} on {str(told['host'])[:100]} since {str(told['since'])[:40]}"
    except (OSError, KeyError, TypeError, ValueError, RecursionError):
        return "by another process"


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[str]) -> None:
        # far behind the text, which Windows would not let others read
        file.seek(2**30)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        file.seek(0)

    def _unlock(file: IO[str]) -> None:
        file.seek(2**30)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
else:
    import fcntl

    def _lock(file: IO[str]) -> None:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(file: IO[str]) -> None:
        fcntl.flock(file.fileno(), fcntl.LOCK_UN)
