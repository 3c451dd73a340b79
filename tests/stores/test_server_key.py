"""The API key: it opens the server, and no error, log or traceback shows it."""

from __future__ import annotations

import logging

import pytest

from tests.stores.samples import make_point, make_store
from tests.stores.wire import Fault, WireServer
from xqg.errors import SettingsError, StoreError, StoreUnreachableError
from xqg.protocols import Collection
from xqg.settings import StoreSettings
from xqg.stores.server import Server, _warn_of_open_key
from xqg.stores.server_calls import ServerCalls

SECRET = "s3cr3t-k3y"


def test_the_key_opens_the_server():
    with WireServer(api_key=SECRET) as server:
        store = make_store(server, api_key=SECRET)
        store.create(4, "cosine", {})
        assert store.describe() == Collection(4, "cosine", 0, {})


@pytest.mark.parametrize("key", [None, SECRET])
def test_a_refused_key_is_named_but_not_shown(key, caplog):
    caplog.set_level(logging.DEBUG)
    with WireServer(api_key="other") as server:
        with pytest.raises(StoreError, match="QDRANT_API_KEY") as caught:
            make_store(server, api_key=key).describe()
        assert len(server.requests) == 1, "a refusal is no failure that passes"
    assert SECRET not in str(caught.value)
    assert SECRET not in caplog.text


def test_the_key_is_in_no_error_no_log_and_no_traceback(caplog):
    """Also where the server quotes it; a logged traceback shows causes too."""
    caplog.set_level(logging.DEBUG)
    with WireServer(api_key=SECRET) as server:
        store = make_store(server, api_key=SECRET)
        store.create(4, "cosine", {})
        server.faults.then(Fault.FORBIDDEN)
        with pytest.raises(StoreError, match=r"\*\*\* may not do that"):
            store.describe()
        for fault in (Fault.UNAVAILABLE, Fault.DROP, Fault.DROP_HALFWAY, Fault.RATE_LIMIT_DATE):
            server.faults.every(1, fault)
            try:
                store.upsert([make_point("a")])
            except StoreUnreachableError:
                logging.getLogger("test").exception("failed")
        server.faults.clear()
        assert SECRET in server.requests[0].headers["api-key"]
    assert "did not answer in 8 tries" in caplog.text
    assert SECRET not in caplog.text
    assert SECRET not in repr(store.__dict__["_server"].__dict__["_settings"])


@pytest.mark.parametrize(
    ("url", "openly"),
    [
        ("http://qdrant:6333", True),
        ("http://192.0.2.7:6333", True),
        ("http://[2001:db8::1]:6333", True),
        ("http://localhost:6333", False),
        ("http://127.0.0.9:6333", False),
        ("http://[::1]:6333", False),
        ("https://qdrant:6333", False),
    ],
)
def test_an_open_connection_is_told_of_once_in_our_words(url, openly, caplog, monkeypatch, recwarn):
    _warn_of_open_key.cache_clear()
    answer = type("Version", (), {"version": "1.18.3"})
    monkeypatch.setattr(ServerCalls, "__call__", lambda *_: answer)
    for _ in range(2):
        connection = Server(StoreSettings(spec=url, collection="docs", api_key=SECRET))
        connection.client()
        connection.close()
    told = [record.getMessage() for record in caplog.records]
    assert told == [f"The API key travels to {url} unencrypted: give the server TLS and an https address"] * openly
    assert not [str(warning.message) for warning in recwarn]


@pytest.mark.parametrize("key", ["with blank", "line\nend", "clé"])
def test_a_key_that_cannot_travel_is_refused_unquoted(wire, key):
    with pytest.raises(SettingsError, match="QDRANT_API_KEY") as caught:
        make_store(wire, api_key=key)
    assert key not in str(caught.value)


def test_an_empty_key_is_none(wire):
    assert make_store(wire, api_key="").describe() is None
    assert all("api-key" not in request.headers for request in wire.requests)


def test_login_data_in_the_address_is_not_shown(wire):
    wire.faults.every(1, Fault.UNAVAILABLE)
    url = wire.url.replace("http://", "http://user:hunter2@")
    with pytest.raises(StoreUnreachableError) as caught:
        make_store(wire, spec=url).describe()
    assert "hunter2" not in str(caught.value)
