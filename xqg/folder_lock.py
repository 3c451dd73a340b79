"""One process at a time for a folder, from before it is made; the others are told which one has it."""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO

from xqg.errors import SettingsError, XqgError

LOCK = "xqg.lock"

TRIES = 5

_BUSY = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)


class FolderLock:
    """The lock of the folder ``place``, which is made where it is missing; it ends with the process at the latest."""

    def __init__(
        self,
        place: Path,
        busy: str = "",
        remedy: str = "Wait for it, end it, or name another folder",
        error: type[XqgError] = SettingsError,
    ) -> None:
        """Take the lock.

        :param busy: what the error says if another has it; "" for a sentence about the folder.
        :raises error: if another process, or another part of this one, has it, or the folder is refused.
        """
        self._path = place / LOCK
        try:
            place.mkdir(parents=True, exist_ok=True)
            self._file = self._open()
        except OSError as fault:
            raise error(f"{place} cannot be used: {fault}", "", "Name another folder") from fault
        try:
            _lock(self._file)
            while not self._is_current():  # removed by its holder after it was opened
                self._file.close()
                self._file = self._open()
                _lock(self._file)
        except OSError as fault:
            holder = _holder(self._file)
            self._file.close()
            if fault.errno not in _BUSY:
                raise error(f"{place} cannot be locked: {fault}", "", "Name a folder on another disk") from fault
            raise error(f"{busy or f'{place} is in use'}: {holder}", "", remedy) from None
        self._write_holder()

    def release(self, remove: bool = False) -> None:
        """Let others have it; calling it twice does nothing. ``remove``: take the lock file away."""
        if self._file.closed:
            return
        with suppress(OSError):
            if remove:
                self._path.unlink()  # while it is locked; Windows refuses, and it stays
        with suppress(OSError):
            _unlock(self._file)  # closing alone would leave it to child processes that have the file open too
        self._file.close()

    def _open(self) -> IO[str]:
        return self._path.open("a+", encoding="utf-8")  # kept open, and closed by `release`

    def _is_current(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), self._path.stat())
        except FileNotFoundError:
            return False

    def _write_holder(self) -> None:
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        with suppress(OSError):  # a full disk: the lock holds all the same, only its holder cannot be told
            self._file.truncate(0)
            self._file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": now}))
            self._file.flush()


@contextmanager
def locked_folder(place: Path | None) -> Iterator[None]:
    """Hold an output folder, made where it is missing, while the block runs; None: nothing to hold.

    :raises SettingsError: if another process has it, or it cannot be made.
    """
    if place is None:
        yield
        return
    lock = FolderLock(place)
    try:
        yield
    finally:
        lock.release(remove=True)


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
