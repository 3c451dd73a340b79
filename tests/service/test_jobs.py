"""The queue: kept, bounded, in order, taken up again."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.service.conftest import add, ended
from xqg.service.jobs import Database, JobQueue, QueueFullError


@pytest.fixture
def queue(tmp_path: Path) -> JobQueue:
    return JobQueue(Database(tmp_path / "q.sqlite"), most_jobs=3, most_bytes=100)


def test_jobs_of_a_collection_run_one_by_one_in_their_order(queue: JobQueue) -> None:
    first, second, other = (queue.add(name, "ingest", {}) for name in ("a", "a", "b"))
    assert queue.claim(0).id == first.id  # type: ignore[union-attr]
    assert queue.claim(0).id == other.id  # type: ignore[union-attr]
    assert queue.claim(0) is None
    queue.put_back(first.id, {}, "later", not_before=10, failed=1)
    assert queue.claim(5) is None, "the second waits for the first"
    assert queue.claim(11).id == first.id  # type: ignore[union-attr]
    queue.finish(first.id, "failed", {}, "broken")
    assert queue.claim(12).id == second.id  # type: ignore[union-attr]


def test_what_ran_waits_again_after_a_restart(tmp_path: Path) -> None:
    database = Database(tmp_path / "q.sqlite")
    queue = JobQueue(database, 9, 9)
    job = queue.add("a", "ingest", {"place": "x"}, 5)
    queue.claim(0)
    database.close()
    queue = JobQueue(Database(tmp_path / "q.sqlite"), 9, 9)
    assert queue.recover() == 1
    again = queue.claim(0)
    assert again is not None
    assert (again.id, again.work, again.size) == (job.id, {"place": "x"}, 5)


def test_jobs_and_bytes_are_bounded(queue: JobQueue) -> None:
    queue.add("a", "ingest", {}, 90)
    with pytest.raises(QueueFullError, match="at most 3 jobs and 100 bytes"):
        queue.add("a", "ingest", {}, 11)
    queue.add("a", "ingest", {}, 10)
    queue.add("b", "ingest", {})
    with pytest.raises(QueueFullError):
        queue.check_room()


def test_the_oldest_finished_jobs_are_forgotten(queue: JobQueue) -> None:
    jobs = [queue.add("a", "ingest", {}) for _ in range(3)]
    for job in jobs:
        queue.finish(job.id, "done", {})
    assert queue.forget(1) == [jobs[1].id, jobs[0].id]
    assert [job.id for job in queue.recent(9)] == [jobs[2].id]


def test_a_full_queue_says_when_to_come_again(serve: Callable[..., TestClient]) -> None:
    client = serve(seconds=0.1, most_queued_jobs=1)
    client.put("/v1/collections/help", json={})
    many = [{"id": str(n), "text": "a valve"} for n in range(40)]
    first = client.post("/v1/collections/help/passages", json=many)
    second = client.post("/v1/collections/help/passages", json=many)
    assert (first.status_code, second.status_code) == (202, 429)
    assert int(second.headers["retry-after"]) > 0
    client.post(f"/v1/jobs/{first.json()['id']}/cancel")


def test_a_running_job_is_cancelled_after_its_batch_and_a_waiting_one_at_once(serve: Callable[..., TestClient]) -> None:
    client = serve(seconds=0.05)
    client.put("/v1/collections/help", json={})
    many = [{"id": str(n), "text": "a valve"} for n in range(200)]
    running, waiting = (client.post("/v1/collections/help/passages", json=many).json() for _ in range(2))
    while client.get(f"/v1/jobs/{running['id']}").json()["counts"].get("upserted", 0) == 0:
        time.sleep(0.02)
    assert client.post(f"/v1/jobs/{waiting['id']}/cancel").json()["state"] == "cancelled"
    client.post(f"/v1/jobs/{running['id']}/cancel")
    job = ended(client, running)
    assert job["state"] == "cancelled"
    assert 0 < job["counts"]["upserted"] < 200
    assert client.get("/v1/collections/help").json()["passages"] == job["counts"]["upserted"]
    assert client.post(f"/v1/jobs/{running['id']}/retry").status_code == 409
    assert client.post(f"/v1/jobs/{'0' * 32}/cancel").status_code == 404


def test_a_job_that_cannot_be_done_fails_and_can_be_tried_again(client: TestClient) -> None:
    add(client, {"id": "a", "text": "a valve"})
    queue = client.app._app.state.service.queue  # type: ignore[attr-defined]
    job = queue.add("gone", "ingest", {"place": "nothing.jsonl", "name": "x"})
    failed = ended(client, {"id": job.id})
    assert failed["state"] == "failed"
    assert failed["error"].startswith("Collection 'gone' was deleted.")
    assert client.post(f"/v1/jobs/{job.id}/retry").json()["state"] == "queued"
    assert ended(client, {"id": job.id})["state"] == "failed"


def test_a_stopped_service_goes_on_where_it_was(serve: Callable[..., TestClient]) -> None:
    client = serve(seconds=0.05)
    client.put("/v1/collections/help", json={})
    many = [{"id": str(n), "text": "a valve"} for n in range(60)]
    job = client.post("/v1/collections/help/passages", json=many).json()
    while client.get(f"/v1/jobs/{job['id']}").json()["counts"].get("upserted", 0) == 0:
        time.sleep(0.02)
    client.__exit__(None, None, None)
    client.__exit__ = lambda *_: None  # type: ignore[method-assign, assignment]
    again = serve()
    done = ended(again, job)
    assert (done["state"], done["counts"]["read"]) == ("done", 60)
    assert done["counts"]["skipped"] > 0
    assert again.get("/v1/collections/help").json()["passages"] == 60
