"""Kills a service under load again and again, and compares what it holds in the end with what it accepted.

``python -m tests.service.killing KILLS`` prints what was found; the suite does the same with few kills.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from xqg.protocols import Point
from xqg.service.jobs import Database, Job, JobQueue
from xqg.stores.edge import EdgeStore

BATCH_OF = 24
WORDS = ("battery", "invoice", "password", "valve", "wifi", "refund")


@dataclass
class Load:
    """Posts passages, some of them bad, and remembers those whose job was accepted."""

    seed: int
    number: int = 0
    accepted: dict[str, str] = field(default_factory=dict)
    bad: int = 0

    def post(self, client: httpx.Client) -> None:
        """One request with new passages, one that replaces an old one, and a bad one."""
        dice = random.Random(self.seed * 1_000_003 + self.number)
        records: list[Any] = [
            {"id": f"p{self.number + n}", "text": f"the {dice.choice(WORDS)} {self.number + n}", "language": "en"}
            for n in range(BATCH_OF)
        ]
        if self.accepted:
            known = dice.choice(sorted(self.accepted))
            records.append({"id": known, "text": f"changed {dice.choice(WORDS)} {self.number}", "language": "en"})
        records.append({"id": f"bad{self.number}", "text": "poison" if dice.random() < 0.5 else ""})
        self.number += BATCH_OF
        try:
            answer = client.post("/v1/collections/help/passages", json=records)
        except httpx.HTTPError:
            return  # nothing was promised; what it brought may or may not be there
        if answer.status_code == 202:
            self.accepted |= {record["id"]: record["text"] for record in records[:-1]}
            self.bad += 1


def start(folder: Path) -> tuple[subprocess.Popen[str], httpx.Client]:
    """A service that listens; the collection is made."""
    command = [sys.executable, "-m", "tests.service.serving", str(folder), "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    assert address, "the service did not start"
    client = httpx.Client(base_url=address, timeout=30)
    assert client.put("/v1/collections/help", json={}).status_code in (200, 201)
    return process, client


def run(folder: Path, kills: int, seed: int = 1) -> dict[str, Any]:
    """Kill ``kills`` times under load, let the last one finish, and compare."""
    load, moments = Load(seed), random.Random(seed)
    for _ in range(kills):
        process, client = start(folder)
        with closing(client):
            until = time.monotonic() + moments.uniform(0.0, 0.8)
            before = load.number
            while time.monotonic() < until and load.number - before < 10 * BATCH_OF:
                load.post(client)
            time.sleep(max(0.0, until - time.monotonic()))
            process.kill()
            process.wait()
    process, client = start(folder)
    with closing(client):
        while client.get("/v1/jobs?state=queued").json()["jobs"] or client.get("/v1/jobs?state=running").json()["jobs"]:
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    with closing(Database(folder / "service.sqlite")) as database:
        jobs = JobQueue(database, 0, 0).recent(-1)
    return compare(folder, load, jobs) | {"kills": kills}


def compare(folder: Path, load: Load, jobs: list[Job]) -> dict[str, Any]:
    """What was accepted and is not there, or not as it was accepted last."""
    with closing(EdgeStore(folder / "collections", "help")) as store:
        stored: dict[str, Point] = {point.passage.id: point for point in store.points()}
        described = store.describe()
    missing = [key for key in load.accepted if key not in stored]
    # a request whose answer was lost may have changed a passage after the last one that was answered
    other = [key for key, text in load.accepted.items() if key in stored and not _is_a_version(stored[key], text)]
    return {
        "accepted": len(load.accepted),
        "stored": len(stored),
        "points": 0 if described is None else described.points,
        "missing": missing,
        "other": other,
        "failed": [job.error for job in jobs if job.state != "done"],
        "rejected": sum(job.counts.get("rejected", 0) for job in jobs),
        "bad": load.bad,
    }


def _is_a_version(point: Point, text: str) -> bool:
    return point.passage.text == text or point.passage.text.startswith("changed ")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        print(run(Path(place), int(sys.argv[1])))  # noqa: T201
