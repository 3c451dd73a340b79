"""A server that answers something else than Qdrant does: no JSON, cut, deep, huge, of another shape."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from xqg.errors import StoreError
from xqg.settings import StoreSettings
from xqg.stores.server import Server
from xqg.stores.server_store import ServerStore

VERSION = json.dumps({"title": "qdrant", "version": "1.18.0", "commit": "x"}).encode()
DEEP = b"[" * 100_000
CONFIG = {"params": {"vectors": {"size": 2, "distance": "Cosine"}}, "metadata": {"xqg": {"settings": {"encoder": {}}}}}

BODIES: dict[str, bytes] = {
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "a number": b"7",
    "an object": b"{}",
    "cut": b'{"result": {"status": "gre',
    "a page": b"<html><body>Welcome to nginx</body></html>",
    "text": b"upstream connect error",
    "no UTF-8": b'{"result": "\xff\xfe"}',
    "a surrogate": b'{"result": "\\ud800"}',
    "deep": DEEP,
    "deep within": b'{"result": ' + DEEP,
    "no result": b'{"result": null, "status": "ok", "time": 0}',
    "another result": b'{"result": {"points": [{"id": 1}]}, "status": "ok", "time": 0}',
    "a text for a result": b'{"result": "x", "status": "ok", "time": 0}',
    "numbers without end": b'{"result": {"count": 1e999, "points": NaN}, "status": "ok", "time": 0}',
    "many digits": b'{"result": {"count": ' + b"9" * 10_000 + b'}, "status": "ok", "time": 0}',
    "huge": b'{"result": "' + b"x" * 5_000_000 + b'"}',
    "escapes": b'{"status": {"error": "\\u001b[31mred\\u001b]8;;http://evil\\u0007"}}',
    "a damaged collection": json.dumps(
        {"result": {"config": [], "status": "green"}, "status": "ok", "time": 0}
    ).encode(),
    "half a collection": json.dumps(
        {"result": {"config": CONFIG, "status": "green"}, "status": "ok", "time": 0}
    ).encode(),
}


@contextlib.contextmanager
def server(status: int, body: bytes, cut: bool = False) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            content = VERSION if self.path == "/" else body
            with contextlib.suppress(OSError):
                self.send_response(200 if self.path == "/" else status)
                self.send_header("Content-Length", str(len(content) + (9 if cut and self.path != "/" else 0)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(content)
            self.close_connection = True

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = answer  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.server_port}"
    finally:
        listening.shutdown()
        listening.server_close()


def use(url: str) -> Iterator[tuple[str, Any]]:
    """What commands do with a server."""
    settings = StoreSettings(spec=url, collection="c", timeout_seconds=5)
    server = Server(settings, sleep=lambda _: None)
    store = ServerStore(server, "c")
    yield "describe", store.describe
    yield "create", lambda: store.create(2, "cosine", {})
    yield "ledger", lambda: store.ledger(["a"])
    yield "points", lambda: list(store.points())
    yield "search", lambda: store.search(np.zeros((1, 2), np.float32), 1)
    yield "aliases", server.aliases
    yield "shape", lambda: server.shape("c")
    yield "pages", lambda: list(server.pages("c"))
    store.close()


@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_every_answer_is_an_error_of_ours_in_one_sentence(status: int, body: bytes) -> None:
    with server(status, body) as url:
        for name, call in use(url):
            try:
                call()
            except StoreError as error:
                text = str(error)
                assert len(text) < 1500, name
                assert not any(sign in text for sign in "\x1b\x07\n"), name


def test_a_connection_that_is_cut() -> None:
    with server(200, b'{"result": {', cut=True) as url:
        for _, call in use(url):
            with pytest.raises(StoreError):
                call()
