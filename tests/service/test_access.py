"""Who is let in, how much of them, and what is never told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from tests.service.conftest import ended
from tests.service.serving import build
from xqg.addresses import is_loopback
from xqg.assembly import build_store
from xqg.cli import main
from xqg.errors import SettingsError
from xqg.service import parts
from xqg.service.access import KeyRing, Rates, needed_scope
from xqg.service.parts import Parts
from xqg.service.server import build_app
from xqg.service.service_settings import ServiceSettings, hash_key, keys_from_environment
from xqg.settings import EncoderSettings, StoreSettings, validated

READ, WRITE, ADMIN = "r" * 24, "w" * 24, "a" * 24
KEYS = [
    {"scope": scope, "sha256": hash_key(key)} for scope, key in (("read", READ), ("write", WRITE), ("admin", ADMIN))
]


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/", None),
        ("GET", "/healthz", None),
        ("GET", "/metrics", "read"),
        ("GET", "/v1/collections", "read"),
        ("POST", "/v1/collections/a/search", "read"),
        ("POST", "/v1/collections/a/compare", "read"),
        ("POST", "/mcp", "read"),
        ("POST", "/mcp/other", "write"),
        ("POST", "/v1/collections/a/passages", "write"),
        ("PUT", "/v1/collections/a", "write"),
        ("DELETE", "/v1/collections/a/passages/b", "write"),
        ("DELETE", "/v1/collections/a", "admin"),
        ("POST", "/v1/augment", "admin"),
        ("POST", "/v1/jobs/x/cancel", "write"),
        ("POST", "/", "write"),
    ],
)
def test_the_scope_of_a_request(method: str, path: str, scope: str | None) -> None:
    assert needed_scope(method, path) == scope


def test_a_key_may_do_what_its_scope_says(serve: Callable[..., TestClient]) -> None:
    client = serve(keys=KEYS)
    assert client.get("/v1/collections").status_code == 401
    assert client.get("/v1/collections", headers=bearer("wrong" * 5)).status_code == 401
    assert client.get("/v1/collections", headers=bearer(READ)).status_code == 200
    assert client.get("/v1/collections", headers={"api-key": READ}).status_code == 200
    assert client.put("/v1/collections/a", headers=bearer(READ), json={}).status_code == 403
    assert client.put("/v1/collections/a", headers=bearer(WRITE), json={}).status_code == 201
    assert client.delete("/v1/collections/a?confirm=true", headers=bearer(WRITE)).status_code == 403
    assert client.delete("/v1/collections/a?confirm=true", headers=bearer(ADMIN)).status_code == 200
    assert client.get("/healthz").status_code == client.get("/").status_code == 200


def test_keys_are_known_by_their_hash() -> None:
    settings: ServiceSettings = validated(ServiceSettings, {"keys": KEYS})
    ring = KeyRing(settings.keys)
    assert (ring.scope_of(READ), ring.scope_of(READ + "x"), ring.scope_of("")) == ("read", None, None)
    assert READ not in repr(settings)


def test_keys_of_the_environment() -> None:
    assert keys_from_environment({"XQG_SERVICE_KEYS": f"read:{READ},admin:{ADMIN}"}) == [KEYS[0], KEYS[2]]
    for value in ("read:short", f"root:{ADMIN}", ADMIN):
        with pytest.raises(SettingsError) as raised:
            keys_from_environment({"XQG_SERVICE_KEYS": value})
        assert "short" not in str(raised.value)
        assert ADMIN not in str(raised.value)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.org"])
def test_nobody_else_reaches_a_service_without_a_key(host: str, tmp_path: Any) -> None:
    assert not is_loopback(host)
    result = CliRunner().invoke(main, ["serve", "--host", host, "--data", str(tmp_path)], env={"XQG_SERVICE_KEYS": ""})
    assert result.exit_code == 2
    assert "no key is set" in result.output


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


def test_pages_of_others_are_refused(client: TestClient) -> None:
    put = {"url": "/v1/collections/new", "json": {}}
    assert client.put(**put, headers={"origin": "https://evil.example"}).status_code == 403
    assert client.put(**put, headers={"origin": "null"}).status_code == 403
    assert client.get("/v1/collections", headers={"host": "evil.example"}).status_code == 403
    assert client.get("/v1/collections", headers={"host": "127.0.0.1.evil.example:8331"}).status_code == 403
    answer = client.put(**put, headers={"origin": "http://127.0.0.1:8331"})
    assert answer.status_code == 201
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_bodies_are_bounded_with_and_without_their_length(serve: Callable[..., TestClient]) -> None:
    client = serve(most_json_bytes=2000, most_upload_bytes=5000)
    client.put("/v1/collections/help", json={})
    url = "/v1/collections/help/passages"
    lines = {"content-type": "application/x-ndjson"}
    assert client.post(url, content=b'"' + b"x" * 2000 + b'"').status_code == 413
    assert client.post(url, content=(b"x" * 500 for _ in range(5))).status_code == 413
    shouted = {"content-type": "Application/JSON"}
    assert client.post(url, content=b'"' + b"x" * 2000 + b'"', headers=shouted).status_code == 413
    assert client.post(url, content=(b"x" * 600 for _ in range(8)), headers=lines).status_code == 202
    assert client.post(url, content=(b"x" * 600 for _ in range(9)), headers=lines).status_code == 413
    assert client.post(url, files={"file": ("a.jsonl", b"x" * 5000)}).status_code == 413
    assert client.post("/v1/collections/help/search", content=b" " * (2**20 + 1)).status_code == 413
    spool = client.app._app.state.service.spool  # type: ignore[attr-defined]
    assert [path.stat().st_size for path in spool.uploads.iterdir()] in ([], [4800])


def test_who_asks_too_often_waits(serve: Callable[..., TestClient]) -> None:
    client = serve(requests_per_second=0.001)
    assert [client.get("/healthz").status_code for _ in range(3)] == [200, 429, 429]
    rates = Rates(1000)
    assert [rates.seconds_to_wait("a") for _ in range(2000)] == [0.0] * 2000


def test_secrets_are_in_no_answer_and_no_record(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import xqg.service.parts as parts
    from xqg.errors import StoreError

    def fail(*_: Any) -> None:
        raise StoreError("The server at http://user:very-secret@qdrant says no, key=very-secret")

    monkeypatch.setattr(parts, "build_encoder", parts.build_encoder)
    service = build(tmp_path, keys=KEYS)
    service.teller._secrets.append("very-secret")
    with TestClient(build_app(service), "http://127.0.0.1", raise_server_exceptions=False) as client:
        client.headers.update(bearer(ADMIN))
        client.put("/v1/collections/help", json={})
        monkeypatch.setattr(service.parts, "job", fail)
        monkeypatch.setattr(service.parts, "searcher", fail)
        job = ended(client, client.post("/v1/collections/help/passages", json=[{"id": "a", "text": "b"}]).json())
        answer = client.post("/v1/collections/help/search", json={"query": "x"})
        assert (job["state"], answer.status_code) == ("failed", 409)
        assert "very-secret" not in job["error"] + answer.text
    for path in tmp_path.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not any(secret.encode() in content for secret in ("very-secret", READ, WRITE, ADMIN)), path


def test_stored_metadata_chooses_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Questions, and the key with them, would go there."""
    place = validated(StoreSettings, {"spec": f"edge:{tmp_path}", "collection": "help"})
    noted = {"spec": "openai:small", "base_url": "http://elsewhere.example/v1", "api_key": "theirs"}
    with closing(build_store(place)) as store:
        store.create(8, "cosine", {"settings": {"encoder": {}}, "encoder": noted})
    asked: list[EncoderSettings] = []
    build_one, here = parts.build_encoder, threading.current_thread()

    def refuse(settings: EncoderSettings, for_search: bool) -> Any:
        if threading.current_thread() is not here:  # a service of another test, still loading its models
            return build_one(settings, for_search)
        asked.append(settings)
        raise SettingsError("far enough")

    monkeypatch.setattr(parts, "build_encoder", refuse)
    own = {"base_url": "http://ours.example/v1"}
    for endpoint in ({}, own):
        with pytest.raises(SettingsError, match="far enough"):
            Parts(place, endpoint).searcher("help")
    assert [(one.spec, one.base_url, one.api_key) for one in asked] == [
        ("openai:small", None, None),
        ("openai:small", "http://ours.example/v1", None),
    ]
