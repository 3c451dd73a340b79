"""Assistants at the service's /mcp, with the SDK's own client over HTTP."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("mcp")
import httpx
import uvicorn
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from starlette.testclient import TestClient

from tests.service.conftest import add
from tests.service.serving import build
from xqg.service.server import build_app, server_config
from xqg.service.service_settings import hash_key

READ, ADMIN = "r" * 24, "a" * 24
KEYS = [{"scope": scope, "sha256": hash_key(key)} for scope, key in (("read", READ), ("admin", ADMIN))]
PASSAGES = [
    {"id": "a", "text": "Change the battery of the lamp.", "language": "en", "metadata": {"year": 2024}},
    {"id": "b", "text": "Where the invoice is sent.", "title": "invoice", "language": "en", "metadata": {"year": 2021}},
]


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    import xqg.service.parts as parts

    monkeypatch.setattr(parts, "build_encoder", parts.build_encoder)
    server = uvicorn.Server(server_config(build(tmp_path, keys=KEYS)))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        threading.Event().wait(0.02)
    host, port = server.servers[0].sockets[0].getsockname()
    yield f"http://{host}:{port}"
    server.should_exit = True
    thread.join(20)


def call(address: str, key: str, *calls: tuple[str, dict[str, Any]]) -> list[Any]:
    """The structured results of the tools; the texts of errors."""

    async def run() -> list[Any]:
        found = []
        async with (
            create_mcp_http_client({"authorization": f"Bearer {key}"}) as http,
            Client(streamable_http_client(f"{address}/mcp", http_client=http)) as client,
        ):
            for tool, arguments in calls:
                result = await client.call_tool(tool, arguments)
                found.append(result.content[0].text if result.is_error else result.structured_content)
        return found

    return asyncio.run(run())


def test_an_assistant_searches_and_reads_with_a_key_that_may_read(address: str) -> None:
    with httpx.Client(base_url=address, headers={"api-key": ADMIN}) as client:
        client.put("/v1/collections/help", json={}).raise_for_status()
        add(client, *PASSAGES)  # type: ignore[arg-type]
    question = {"collection": "help", "query": "battery or invoice"}
    names, hits, recent, shown, *errors = call(
        address,
        READ,
        ("collections", {}),
        ("search", {**question, "limit": 2}),
        ("search", {**question, "filters": ["year>=2023"]}),
        ("show", {"collection": "help", "id": "b"}),
        ("search", {**question, "collection": "other"}),
        ("search", {**question, "collection": "../help"}),
        ("search", {**question, "query": " "}),
        ("show", {"collection": "help", "id": "nobody"}),
    )
    assert names == {"result": ["help"]}
    assert {hit["id"] for hit in hits["hits"]} == {"a", "b"}
    assert [(hit["id"], hit["metadata"]) for hit in recent["hits"]] == [("a", {"year": 2024})]
    assert (shown["title"], shown["text"], shown["queries"]) == ("invoice", "Where the invoice is sent.", {})
    told = ("There is no collection 'other'", "pattern", "query is empty", "No passage 'nobody'")
    assert all(text in error for text, error in zip(told, errors, strict=True)), errors


def test_the_log_is_left_as_it_is(tmp_path: Path) -> None:
    before = [*logging.root.handlers]
    build_app(build(tmp_path))
    assert logging.root.handlers == before


def test_assistants_pass_the_same_guard(address: str) -> None:
    ping = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    accepted = {"accept": "application/json, text/event-stream"}
    assert httpx.post(f"{address}/mcp", json=ping, headers=accepted).status_code == 401
    assert httpx.post(f"{address}/mcp", json=ping, headers={**accepted, "api-key": "x" * 24}).status_code == 401
    answer = httpx.post(f"{address}/mcp", json=ping, headers={**accepted, "api-key": READ})
    assert [tool["name"] for tool in answer.json()["result"]["tools"]] == ["collections", "search", "show"]
    foreign = {**accepted, "api-key": READ, "origin": "https://evil.example"}
    assert httpx.post(f"{address}/mcp", json=ping, headers=foreign).status_code == 403
    assert httpx.get(f"{address}/mcp", headers={**accepted, "api-key": READ}).status_code == 405


def test_other_pages_and_hosts_are_refused_without_keys(client: TestClient) -> None:
    ping = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    accepted = {"accept": "application/json, text/event-stream"}
    assert client.post("/mcp", json=ping, headers={**accepted, "host": "evil.example"}).status_code == 403
    for body in (b"", b"{", b"[]", b"[" * 100_000, b'{"jsonrpc": "2.0", "id": 1, "method": "\\ud800"}', b"\xff"):
        answer = client.post("/mcp", content=body, headers={**accepted, "content-type": "application/json"})
        assert answer.status_code < 500, (body[:20], answer.text)
