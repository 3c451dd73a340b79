"""A service that is killed: what was accepted ends in the collection or in the rejects, none of it twice."""

from __future__ import annotations

import signal
from contextlib import closing
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

from tests.service.killing import run, start

KILLS = 8


def test_killed_at_random_moments_under_load_it_keeps_what_it_accepted(tmp_path: Path) -> None:
    found = run(tmp_path, KILLS)
    assert found["accepted"] > 0
    assert (found["missing"], found["other"], found["failed"]) == ([], [], [])
    assert found["points"] == found["stored"] >= found["accepted"]
    assert found["rejected"] >= found["bad"] > 0


def test_sigterm_ends_after_the_batch_and_keeps_the_rest(tmp_path: Path) -> None:
    process, client = start(tmp_path)
    with closing(client):
        many = [{"id": str(n), "text": "a valve"} for n in range(2000)]
        job = client.post("/v1/collections/help/passages", json=many).json()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    process, client = start(tmp_path)
    with closing(client):
        found = client.get(f"/v1/jobs/{job['id']}").json()
        assert found["state"] in ("queued", "running")
        assert client.post(f"/v1/jobs/{job['id']}/cancel").status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
