"""The threads of the service. Some run the jobs, one of a collection at a time, interrupted between batches, resumed;
one watches folders and augmented collections, and queues jobs that bring them up to date.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from xqg.errors import InputError, StoreUnreachableError, XqgError
from xqg.records import digest
from xqg.service.access import Metrics
from xqg.service.jobs import CANCELLED, DONE, FAILED, QUEUED, RUNNING, Database, Job, JobQueue
from xqg.service.registry import Registry
from xqg.service.running import Runner, is_for_later
from xqg.service.service_settings import SourceSettings

logger = logging.getLogger(__name__)

IDLE_SECONDS = 0.5
"""How often a thread checks for jobs that became due: those that wait for another try."""

NOTED_SECONDS = 1.0
"""How often progress is written to disk; in between it is in memory."""

ATTEMPTS = 5
"""Tries of a job whose model or endpoint fails. A store that does not answer is tried for ever."""

NICENESS = 10

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 2.0, 300.0


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
            self._registry.put(collection, {})  # new, or deleted since: all of the folder goes in
        elif [seen] == [row["seen"] for row in self._database.rows("SELECT seen FROM watched WHERE source = ?", key)]:
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

    def refuse(error: OSError) -> None:
        raise InputError(f"The folder {error.filename} cannot be read: {error.strerror}")

    found = []
    for path in (Path(place, name) for place, _, names in os.walk(folder, onerror=refuse) for name in names):
        with suppress(FileNotFoundError):  # gone meanwhile
            status = path.stat()
            found.append([str(path.relative_to(folder)), status.st_size, status.st_mtime_ns])
    return digest(sorted(found))


class Workers:
    """Threads that take jobs from the queue until they are stopped.

    :param tell: returns an error's text without secrets and paths.
    """

    def __init__(
        self,
        queue: JobQueue,
        runner: Runner,
        metrics: Metrics,
        tell: Callable[[str, Job], str],
        kept_jobs: int,
        number: int,
    ) -> None:
        self._queue, self._runner, self._metrics, self._tell = queue, runner, metrics, tell
        self._kept_jobs = kept_jobs
        self._stop, self._wake = threading.Event(), threading.Condition()
        self._live: dict[str, Mapping[str, Any]] = {}
        self._cancelled: set[str] = set()
        self._threads = [threading.Thread(target=self._work, name=f"xqg-worker-{n}") for n in range(number)]

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()

    def start(self) -> None:
        """Resume what was left, and begin."""
        self._queue.recover()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask the threads to end after the current batch; returns at once."""
        self._stop.set()
        self.wake()

    def join(self) -> None:
        """Wait for the threads to end."""
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def wake(self) -> None:
        """Check for jobs now."""
        with self._wake:
            self._wake.notify_all()

    def cancel(self, job_id: str) -> Job | None:
        """As `JobQueue.cancel`."""
        job = self._queue.cancel(job_id)
        if job is not None and job.cancelling:
            self._cancelled.add(job_id)
        if job is not None and job.state == CANCELLED:
            self._runner.spool.drop_upload(job_id)
        return job

    def counts_of(self, job: Job) -> Mapping[str, Any]:
        """The latest counts of a job."""
        return self._live.get(job.id, job.counts) if job.state == RUNNING else job.counts

    def _work(self) -> None:
        lower_priority()
        while not self._stop.is_set():
            try:
                job = self._queue.claim(time.time())
                if job is not None:
                    self._run(job)
                    continue
            except (sqlite3.Error, OSError):  # a full disk: what is queued stays queued
                logger.exception("The service's records cannot be written")
            with self._wake:
                self._wake.wait(IDLE_SECONDS)

    def _run(self, job: Job) -> None:
        noted = time.monotonic()

        def progress(counts: Mapping[str, Any]) -> None:
            nonlocal noted
            self._live[job.id] = counts
            if time.monotonic() - noted >= NOTED_SECONDS:
                noted = time.monotonic()
                self._queue.note(job.id, counts)

        try:
            outcome = self._runner.run(job, progress, lambda: self._stop.is_set() or job.id in self._cancelled)
        except XqgError as error:
            self._failed(job, error)
        except Exception as error:
            logger.exception("Job %s failed", job.id)
            self._finish(job, FAILED, self.counts_of(job), f"{type(error).__name__}: the service's log has it")
        else:
            if not outcome.interrupted:
                self._finish(job, DONE, outcome.counts)
            elif job.id in self._cancelled:
                self._finish(job, CANCELLED, outcome.counts)
            else:
                self._queue.put_back(job.id, outcome.counts)
        finally:
            self._live.pop(job.id, None)
            self._cancelled.discard(job.id)
            self.wake()

    def _failed(self, job: Job, error: XqgError) -> None:
        text, counts = self._tell(str(error), job), self.counts_of(job)
        lasting = isinstance(error, StoreUnreachableError)
        if job.id in self._cancelled:
            self._finish(job, CANCELLED, counts, text)
        elif is_for_later(error) and (lasting or job.attempts + 1 < ATTEMPTS):
            pause = min(FIRST_PAUSE_SECONDS * 2 ** min(job.attempts, 16), LONGEST_PAUSE_SECONDS)
            self._queue.put_back(job.id, counts, text, time.time() + pause, failed=1)
        else:
            self._finish(job, FAILED, counts, text)

    def _finish(self, job: Job, state: str, counts: Mapping[str, Any], error: str | None = None) -> None:
        self._metrics.job_ended(state, counts)
        self._queue.finish(job.id, state, counts, error)
        if state != FAILED:  # that of a failed one is kept for another try
            self._runner.spool.drop_upload(job.id)
        for forgotten in self._queue.forget(self._kept_jobs):
            self._runner.spool.rejects_of(forgotten).unlink(missing_ok=True)


def lower_priority() -> None:
    """Give this thread, and those that it starts, less of the CPU than questions get; on Linux alone."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
