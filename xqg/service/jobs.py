"""The service's own records in one SQLite file, and the durable queue among them: what was accepted is kept, and done
in order for each collection.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xqg.errors import SettingsError, XqgError

SCHEMA = """
CREATE TABLE IF NOT EXISTS collections (name TEXT PRIMARY KEY, settings TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    collection TEXT NOT NULL,
    kind TEXT NOT NULL,
    work TEXT NOT NULL,
    size INTEGER NOT NULL,
    state TEXT NOT NULL,
    cancelling INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    not_before REAL NOT NULL DEFAULT 0,
    counts TEXT NOT NULL DEFAULT '{}',
    error TEXT,
    created REAL NOT NULL,
    started REAL,
    finished REAL
);
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, collection, number);
CREATE TABLE IF NOT EXISTS watched (source TEXT PRIMARY KEY, seen TEXT NOT NULL);
"""


class Database:
    """Opened by one process at a time; its methods may be called from any thread.

    :raises SettingsError: if another process has it open, or it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=2, isolation_level=None, check_same_thread=False)
            self._connection.row_factory = sqlite3.Row
            # one process writes, so the file is locked as long as it is open; FULL: every commit is on disk
            for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL"):
                self._connection.execute(f"PRAGMA {pragma}").fetchall()
            self._connection.executescript(SCHEMA)
            self._connection.execute("BEGIN IMMEDIATE")  # takes the lock
            self._connection.execute("COMMIT")
        except (OSError, sqlite3.Error) as error:
            raise SettingsError(
                f"{path} cannot be opened: {error}",
                "a folder that this service alone uses",
                "Stop the other `xqg serve`, or name another --data",
            ) from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it or nothing; on disk when it is left."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """What a SELECT finds."""
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    def close(self) -> None:
        """Release the file; calling it twice does nothing."""
        with self._lock:
            self._connection.close()


QUEUED, RUNNING, DONE, FAILED, CANCELLED = "queued", "running", "done", "failed", "cancelled"
STATES = (QUEUED, RUNNING, DONE, FAILED, CANCELLED)
FINISHED = (DONE, FAILED, CANCELLED)

RETRY_AFTER_SECONDS = 5
"""What a client is told to wait when the queue is full."""


class QueueFullError(XqgError):
    """As much is waiting as may wait."""


@dataclass(frozen=True)
class Job:
    """One piece of work for one collection. ``work`` says what, by ``kind``; times are seconds since 1970."""

    number: int
    id: str
    collection: str
    kind: str
    work: Mapping[str, Any]
    size: int
    state: str
    cancelling: bool
    attempts: int
    not_before: float
    counts: Mapping[str, Any]
    error: str | None
    created: float
    started: float | None
    finished: float | None


class JobQueue:
    """Jobs in a `Database`: at most one of a collection runs at a time, in the order of their arrival.

    :param most_jobs: how many may wait. :param most_bytes: how much may wait.
    """

    def __init__(self, database: Database, most_jobs: int, most_bytes: int) -> None:
        self._database, self._most_jobs, self._most_bytes = database, most_jobs, most_bytes

    def add(self, collection: str, kind: str, work: Mapping[str, Any], size: int = 0, job_id: str = "") -> Job:
        """Keep a job; it is on disk when this returns.

        :raises QueueFullError: if too much is waiting.
        """
        job_id = job_id or new_id()
        values = (job_id, collection, kind, json.dumps(work), size, QUEUED, time.time())
        with self._database.transaction() as connection:
            self._check_room(connection, size)
            connection.execute(
                "INSERT INTO jobs (id, collection, kind, work, size, state, created) VALUES (?, ?, ?, ?, ?, ?, ?)",
                values,
            )
        return self.require(job_id)

    def check_room(self) -> None:
        """:raises QueueFullError: if no job could be added now."""
        with self._database.transaction() as connection:
            self._check_room(connection, 0)

    def claim(self, now: float) -> Job | None:
        """The next job that may run, now marked as running; None where there is none."""
        with self._database.transaction() as connection:
            row = connection.execute(
                """SELECT * FROM jobs AS job WHERE state = 'queued' AND NOT EXISTS (
                       SELECT 1 FROM jobs AS other WHERE other.collection = job.collection AND (
                           other.state = 'running' OR (other.state = 'queued' AND other.number < job.number)))
                   AND not_before <= ? ORDER BY number LIMIT 1""",
                (now,),
            ).fetchone()
            if row is None:
                return None
            change = "UPDATE jobs SET state = 'running', started = coalesce(started, ?) WHERE id = ?"
            connection.execute(change, (now, row["id"]))
        return self.require(row["id"])

    def note(self, job_id: str, counts: Mapping[str, Any]) -> None:
        """Store the counts of a running job."""
        self._change("UPDATE jobs SET counts = ? WHERE id = ?", json.dumps(counts), job_id)

    def finish(self, job_id: str, state: str, counts: Mapping[str, Any], error: str | None = None) -> None:
        """Close a job as done, failed or cancelled."""
        change = "UPDATE jobs SET state = ?, counts = ?, error = ?, finished = ? WHERE id = ?"
        self._change(change, state, json.dumps(counts), error, time.time(), job_id)

    def put_back(
        self, job_id: str, counts: Mapping[str, Any], error: str | None = None, not_before: float = 0, failed: int = 0
    ) -> None:
        """Queue a job again, at its old place. :param failed: 1 counts as an attempt that failed."""
        change = """UPDATE jobs SET state = 'queued', counts = ?, error = ?, not_before = ?, attempts = attempts + ?
                    WHERE id = ?"""
        self._change(change, json.dumps(counts), error, not_before, failed, job_id)

    def cancel(self, job_id: str) -> Job | None:
        """Cancel a waiting job, and ask a running one to end after its batch; None where there is none."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE jobs SET cancelling = 1 WHERE id = ? AND state = 'running'", (job_id,))
            change = "UPDATE jobs SET state = 'cancelled', finished = ? WHERE id = ? AND state = 'queued'"
            connection.execute(change, (time.time(), job_id))
        return self.get(job_id)

    def retry(self, job_id: str) -> Job | None:
        """Queue a failed job again; None where there is none, or none that failed."""
        with self._database.transaction() as connection:
            change = """UPDATE jobs SET state = 'queued', error = NULL, attempts = 0, not_before = 0, finished = NULL,
                        cancelling = 0 WHERE id = ? AND state = 'failed'"""
            if connection.execute(change, (job_id,)).rowcount == 0:
                return None
        return self.get(job_id)

    def recover(self) -> int:
        """Queue again what ran when the process ended; call it once, before anything is claimed."""
        with self._database.transaction() as connection:
            ended = "UPDATE jobs SET state = 'cancelled', finished = ? WHERE state = 'running' AND cancelling = 1"
            connection.execute(ended, (time.time(),))
            return connection.execute("UPDATE jobs SET state = 'queued' WHERE state = 'running'").rowcount

    def get(self, job_id: str) -> Job | None:
        """The job with this id; None where there is none."""
        rows = self._database.rows("SELECT * FROM jobs WHERE id = ?", job_id)
        return _job(rows[0]) if rows else None

    def require(self, job_id: str) -> Job:
        """The job with this id, which must be there."""
        rows = self._database.rows("SELECT * FROM jobs WHERE id = ?", job_id)
        return _job(rows[0])

    def recent(self, limit: int, collection: str | None = None, states: Sequence[str] = STATES) -> list[Job]:
        """The newest jobs, newest first."""
        marks = ", ".join("?" for _ in states)
        rows = self._database.rows(
            f"SELECT * FROM jobs WHERE (? IS NULL OR collection = ?) AND state IN ({marks}) "  # noqa: S608 - marks
            "ORDER BY number DESC LIMIT ?",
            *(collection, collection, *states, limit),
        )
        return [_job(row) for row in rows]

    def counts(self) -> dict[str, int]:
        """How many jobs there are in each state."""
        rows = self._database.rows("SELECT state, count(*) AS number FROM jobs GROUP BY state")
        return {**dict.fromkeys(STATES, 0), **{row["state"]: row["number"] for row in rows}}

    def forget(self, kept: int) -> list[str]:
        """Drop the oldest finished jobs but ``kept``; failed ones keep their data and stay. Returns their ids."""
        rows = self._database.rows(
            "SELECT id FROM jobs WHERE state IN ('done', 'cancelled') ORDER BY number DESC LIMIT -1 OFFSET ?", kept
        )
        ids = [row["id"] for row in rows]
        with self._database.transaction() as connection:
            connection.executemany("DELETE FROM jobs WHERE id = ?", [(job_id,) for job_id in ids])
        return ids

    def _check_room(self, connection: sqlite3.Connection, size: int) -> None:
        row = connection.execute(
            """SELECT count(*) AS jobs, coalesce(sum(size), 0) AS bytes FROM jobs
               WHERE state IN ('queued', 'running')"""
        ).fetchone()
        if row["jobs"] >= self._most_jobs or row["bytes"] + size > self._most_bytes:
            raise QueueFullError(
                f"The queue is full: {row['jobs']} jobs with {row['bytes']} bytes wait",
                f"at most {self._most_jobs} jobs and {self._most_bytes} bytes",
                "Try again later",
            )

    def _change(self, change: str, *values: Any) -> None:
        with self._database.transaction() as connection:
            connection.execute(change, values)


def new_id() -> str:
    """A random id for a job."""
    return uuid.uuid4().hex


def _job(row: sqlite3.Row) -> Job:
    values = dict(row)
    work, counts = json.loads(values.pop("work")), json.loads(values.pop("counts"))
    return Job(**{**values, "cancelling": bool(values["cancelling"])}, work=work, counts=counts)
