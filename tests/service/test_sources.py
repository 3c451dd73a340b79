"""Folders that are watched, collections of a server, and augmented twins that are kept up to date."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from qdrant_client import models
from starlette.testclient import TestClient

import xqg.assembly
import xqg.encoders.profiles
from tests.fakes import WORDS, fake_profile
from tests.service.conftest import add, ended, until
from tests.service.serving import SlowEncoder
from tests.stores.wire import WireServer
from xqg.errors import InputError
from xqg.service.workers import fingerprint


def ids(client: TestClient, collection: str = "help") -> set[str]:
    answer = client.get(f"/v1/collections/{collection}/passages")
    return {one["id"] for one in answer.json().get("passages", [])}


def test_a_folder_is_followed_with_its_deletions(serve: Callable[..., TestClient], tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    (folder / "sub").mkdir(parents=True)
    (folder / "gate.md").write_text("# Gate\n\nThe battery.", encoding="utf-8")
    (folder / "sub" / "cafe\u0301.md").write_text("# Invoice\n\nThe invoice.", encoding="utf-8")
    client = serve(sources=[{"collection": "help", "folder": str(folder), "every_seconds": 1}])
    until(lambda: ids(client) == {"gate.md", "sub/café.md"})
    add(client, {"id": "other", "text": "not of the folder"})
    (folder / "gate.md").unlink()
    (folder / "new.txt").write_text("A valve.", encoding="utf-8")
    until(lambda: ids(client) == {"sub/café.md", "new.txt", "other"})
    jobs = client.get("/v1/jobs?state=done").json()["jobs"]
    assert next(job["counts"].get("deleted") for job in jobs if job["kind"] == "folder") == 1
    number = len(jobs)
    time.sleep(1.5)
    assert len(client.get("/v1/jobs").json()["jobs"]) == number, "nothing changed, so there is nothing to do"


def test_a_collection_that_was_deleted_is_filled_from_its_folder_again(
    serve: Callable[..., TestClient], tmp_path: Path
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "gate.md").write_text("# Gate\n\nThe battery.", encoding="utf-8")
    client = serve(sources=[{"collection": "help", "folder": str(tmp_path / "docs"), "every_seconds": 1}])
    until(lambda: ids(client) == {"gate.md"})
    client.delete("/v1/collections/help?confirm=true")
    until(lambda: ids(client) == {"gate.md"}, 20)


def test_a_folder_that_is_gone_deletes_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        fingerprint(tmp_path / "unmounted")


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[WireServer]:
    monkeypatch.setattr(xqg.assembly, "build_encoder", lambda *_: SlowEncoder())
    monkeypatch.setattr(xqg.encoders.profiles, "find_profile", fake_profile)
    with WireServer() as server:
        yield server


def write(wire: WireServer, number: int, word: str) -> None:
    vector = [float(word == one) for one in WORDS]
    payload = {"page_content": f"the {word}", "metadata": {"language": "en"}}
    wire.local.upsert("docs", [models.PointStruct(id=number, vector=vector, payload=payload)])


def test_collections_of_a_server(serve: Callable[..., TestClient], wire: WireServer) -> None:
    client = serve(config={"store": {"spec": wire.url}})
    assert client.put("/v1/collections/help", json={}).status_code == 201
    add(client, {"id": "a", "text": "a battery"}, {"id": "b", "text": "an invoice"})
    assert client.get("/v1/collections/help").json()["passages"] == 2
    hits = client.post("/v1/collections/help/search", json={"query": "invoice", "k": 1}).json()["hits"]
    assert [hit["id"] for hit in hits] == ["b"]
    assert client.delete("/v1/collections/help/passages/b").json()["deleted"] == 1
    assert client.delete("/v1/collections/help?confirm=true").status_code == 200
    assert not wire.local.collection_exists("help")


def test_a_twin_is_made_followed_and_rolled_back(serve: Callable[..., TestClient], wire: WireServer) -> None:
    wire.local.create_collection("docs", models.VectorParams(size=len(WORDS), distance=models.Distance.DOT))
    write(wire, 1, "battery")
    config: dict[str, Any] = {"store": {"spec": wire.url}, "fusion": {"views": 0}}
    source = {"collection": "docs", "into": "docs-xqg", "alias": "live", "every_seconds": 1}
    client = serve(config=config, sources=[source])
    plan = client.post("/v1/augment", json={"source": "docs", "into": "docs-plan", "dry_run": True})
    assert plan.status_code == 200, plan.text
    assert plan.json()["layout"] == "langchain"
    until(lambda: ids(client, "docs-xqg") == {"1"})
    write(wire, 2, "invoice")
    until(lambda: ids(client, "docs-xqg") == {"1", "2"})
    wire.local.delete("docs", [1])
    until(lambda: ids(client, "docs-xqg") == {"2"})
    job = client.post("/v1/augment", json={"source": "docs", "into": "docs-other"})
    assert job.status_code == 202
    found = ended(client, job.json())
    assert (found["state"], found["error"]) == ("done", None)
    assert found["counts"]["augmented"]["points"] == 1
    found = client.post("/v1/collections/docs-xqg/search", json={"query": "invoice"})
    assert found.status_code == 200, found.text
    assert [hit["id"] for hit in found.json()["hits"]] == ["2"]
    back = client.post("/v1/augment", json={"source": "docs", "into": "docs-xqg", "alias": "live", "rollback": True})
    assert back.json() == {"alias": "live", "was": "docs-xqg", "now": "docs"}
