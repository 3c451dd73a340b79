"""Watches folders and augmented collections, and queues jobs that bring them up to date."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from xqg.errors import InputError, XqgError
from xqg.records import digest
from xqg.service.database import Database
from xqg.service.jobs import QUEUED, RUNNING, JobQueue
from xqg.service.registry import Registry
from xqg.service.service_settings import SourceSettings

logger = logging.getLogger(__name__)


class Sources:
    """Checks each source at its interval, in a thread of its own, and queues a job where there is something to do.

    :param wake: called when a job was queued.
    """

    def __init__(
        self,
        sources: Sequence[SourceSettings],
        database: Database,
        queue: JobQueue,
        registry: Registry,
        wake: Callable[[], None],
    ) -> None:
        self._sources, self._database, self._queue = sources, database, queue
        self._registry, self._wake = registry, wake
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="xqg-sources")

    def start(self) -> None:
        """Begin, where there is something to watch."""
        if self._sources:
            self._thread.start()

    def stop(self) -> None:
        """End, after the current check."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def check(self, source: SourceSettings) -> bool:
        """Queue a job if there is something to do; returns whether it did.

        :raises XqgError: if the folder cannot be read, or the queue is full.
        """
        target = source.into or source.collection
        kind = "folder" if source.folder is not None else "augment"
        waiting = self._queue.recent(100, target, (QUEUED, RUNNING))
        if any(job.kind == kind and job.state == QUEUED for job in waiting):
            return False
        if source.folder is None:
            if waiting:
                return False
            chosen = {"into": source.into, **({} if source.alias is None else {"alias": source.alias})}
            work = {"source": source.collection, "settings": chosen, "name": f"{source.collection} into {source.into}"}
            self._queue.add(target, "augment", work)
            return True
        return self._check_folder(source.collection, Path(source.folder))

    def _check_folder(self, collection: str, folder: Path) -> bool:
        seen, key = fingerprint(folder), digest([collection, str(folder.absolute())])
        if self._registry.chosen(collection) is None:
            self._registry.put(collection, {})
        rows = self._database.rows("SELECT seen FROM watched WHERE source = ?", key)
        if rows and rows[0]["seen"] == seen:
            return False
        self._queue.add(collection, "folder", {"folder": str(folder.absolute()), "name": folder.name})
        # the job reads the folder as it is then; what changes from now on makes another one
        with self._database.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO watched VALUES (?, ?)", (key, seen))
        return True

    def _watch(self) -> None:
        due = dict.fromkeys(range(len(self._sources)), 0.0)
        while not self._stop.is_set():
            for number, source in enumerate(self._sources):
                if time.monotonic() < due[number]:
                    continue
                due[number] = time.monotonic() + source.every_seconds
                try:
                    if self.check(source):
                        self._wake()
                except (XqgError, OSError, sqlite3.Error) as error:
                    logger.warning("The source for %r cannot be checked: %s", source.collection, error)
            self._stop.wait(max(0.2, min(due.values()) - time.monotonic()))


def fingerprint(folder: Path) -> str:
    """A hash of names, sizes and times of the files below a folder.

    :raises InputError: if it cannot be read.
    """
    found = []
    for path in _files_below(folder):
        try:
            status = path.stat()
        except FileNotFoundError:  # gone meanwhile
            continue
        found.append([str(path.relative_to(folder)), status.st_size, status.st_mtime_ns])
    return digest(sorted(found))


def _files_below(folder: Path) -> Iterator[Path]:
    """The files below a folder. :raises InputError: if one of its folders cannot be read."""

    def refuse(error: OSError) -> None:
        raise InputError(f"The folder {error.filename} cannot be read: {error.strerror}")

    for place, _, names in os.walk(folder, onerror=refuse):
        yield from (Path(place, name) for name in names)
