from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
from starlette.testclient import TestClient

from tests.service.serving import build
from xqg.service.server import build_app

ADDRESS = "http://127.0.0.1:8331"


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., TestClient]]:
    """Starts a service with the settings given; all are closed at the end."""
    import xqg.service.parts as parts

    monkeypatch.setattr(parts, "build_encoder", parts.build_encoder)  # `build` replaces it; put it back
    open_clients: list[TestClient] = []

    def start(**settings: Any) -> TestClient:
        client = TestClient(build_app(build(tmp_path / "data", **settings)), ADDRESS)
        open_clients.append(client)
        client.__enter__()
        return client

    yield start
    for client in open_clients:
        client.__exit__(None, None, None)


@pytest.fixture
def client(serve: Callable[..., TestClient]) -> TestClient:
    """A service with the collection "help", empty."""
    started = serve()
    assert started.put("/v1/collections/help", json={}).status_code == 201
    return started


def until(found: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for it."""
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end
        time.sleep(0.05)


def ended(client: TestClient, job: dict[str, Any]) -> dict[str, Any]:
    """The job when it has ended."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        found = client.get(f"/v1/jobs/{job['id']}").json()
        if found["state"] in ("done", "failed", "cancelled"):
            return found
        time.sleep(0.02)
    raise AssertionError(found)


def add(client: TestClient, *passages: Any, collection: str = "help") -> dict[str, Any]:
    """Add passages and wait until they are stored."""
    answer = client.post(f"/v1/collections/{collection}/passages", json=list(passages))
    assert answer.status_code == 202, answer.text
    return ended(client, answer.json())
