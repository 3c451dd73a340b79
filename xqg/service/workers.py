"""The threads that run the jobs: one job of a collection at a time, interrupted between batches, and resumed."""

from __future__ import annotations

import logging
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from xqg.errors import StoreUnreachableError, XqgError
from xqg.service.jobs import CANCELLED, DONE, FAILED, RUNNING, Job, JobQueue
from xqg.service.metrics import Metrics
from xqg.service.running import Runner, is_for_later

logger = logging.getLogger(__name__)

IDLE_SECONDS = 0.5
"""How often a thread checks for jobs that became due: those that wait for another try."""

NOTED_SECONDS = 1.0
"""How often progress is written to disk; in between it is in memory."""

ATTEMPTS = 5
"""Tries of a job whose model or endpoint fails. A store that does not answer is tried for ever."""

NICENESS = 10

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 2.0, 300.0


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
