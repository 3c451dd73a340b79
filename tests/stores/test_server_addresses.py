"""Which port an address means, what errors show of it, and the proxy that may be why nothing answers."""

from __future__ import annotations

import pytest

from tests.stores.samples import make_store, without_sleep
from xqg.addresses import proxy_note, server_address, without_login
from xqg.errors import SettingsError, StoreError, StoreUnreachableError
from xqg.settings import StoreSettings, validated
from xqg.stores.server import Server

PROXIES = ["http_proxy", "https_proxy", "all_proxy", "no_proxy"]


@pytest.fixture(autouse=True)
def without_proxies(monkeypatch):
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://host", "http://host:6333"),
        ("https://host", "https://host:6333"),
        ("https://host/", "https://host:6333"),
        ("https://host:443", "https://host:443"),
        ("https://host/qdrant", "https://host:443/qdrant"),
        ("http://host/qdrant/", "http://host:80/qdrant"),
        ("http://host:8080/a/b", "http://host:8080/a/b"),
        ("HTTPS://Host/x", "https://host:443/x"),
        ("http://user:pass@host", "http://host:6333"),
        ("http://user:p@ss@host/x", "http://host:80/x"),
        ("http://[::1]", "http://[::1]:6333"),
        ("http://[::1]:80/x", "http://[::1]:80/x"),
    ],
)
def test_the_port_that_an_address_means(url, address):
    assert server_address(url) == address
    assert Server(StoreSettings(spec=url, collection="docs")).call.server == address


@pytest.mark.parametrize("url", ["http://", "http://host:x", "http://host:99999", "https:///path", "http://[::1"])
def test_what_is_no_address_is_said_before_anything_starts(url):
    with pytest.raises(SettingsError):
        validated(StoreSettings, {"spec": url, "collection": "docs"})


def test_a_wrong_scheme_does_not_show_the_password():
    with pytest.raises(SettingsError, match="'htp://host' is no store"):
        validated(StoreSettings, {"spec": "htp://user:secret@host", "collection": "docs"})


def test_a_gateway_with_a_path_is_asked_below_it(wire):
    with pytest.raises(StoreError, match=rf"no Qdrant server at {wire.url}/gate"):
        make_store(wire, spec=f"{wire.url}/gate").describe()
    assert wire.requests[0].path == "/gate/"


def test_the_address_that_was_tried_is_in_the_error():
    settings = StoreSettings(spec="http://user:secret@127.0.0.1:9/gate", collection="docs")
    connection = Server(settings, without_sleep)
    with pytest.raises(StoreUnreachableError, match=r"Nothing answers at http://127\.0\.0\.1:9/gate: ") as caught:
        connection.client()
    assert "secret" not in str(caught.value)
    assert "proxy" not in str(caught.value)


def test_over_grpc_it_is_the_address_of_that_interface():
    settings = StoreSettings(spec="http://127.0.0.1/gate", collection="docs", grpc=True, grpc_port=9)
    assert Server(settings).call.server == "grpc://127.0.0.1:9"


def test_a_proxy_is_named_when_nothing_answers(monkeypatch, wire):
    monkeypatch.setenv("HTTP_PROXY", "http://me:secret@127.0.0.1:9")
    connection = Server(StoreSettings(spec="http://qdrant.test", collection="docs"), without_sleep)
    with pytest.raises(
        StoreUnreachableError, match=r"the proxy http://127\.0\.0\.1:9 of HTTP_PROXY.*NO_PROXY"
    ) as caught:
        connection.client()
    assert "secret" not in str(caught.value)
    monkeypatch.setenv("HTTP_PROXY", wire.url)  # something that answers, but is no proxy
    with pytest.raises(StoreError, match=r"qdrant\.test:80/x, asked through the proxy"):
        Server(StoreSettings(spec="http://qdrant.test/x", collection="docs"), without_sleep).client()


def test_no_proxy_is_named_where_none_is_used(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test")
    assert proxy_note("http://host") == ""
    assert "HTTPS_PROXY" in proxy_note("https://host")
    monkeypatch.setenv("NO_PROXY", "host")
    assert proxy_note("https://host") == ""


def test_a_login_is_left_out():
    assert without_login("http://user:pass@host/x") == "http://host/x"
    assert without_login("edge:./data") == "edge:./data"
