"""Access control: keys, origins, body sizes, rates; the headers of every answer, and the metrics for Prometheus."""

from __future__ import annotations

import asyncio
import hmac
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from fastapi import HTTPException
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as ASGIScope

from xqg.addresses import is_loopback
from xqg.service.answers import Answer
from xqg.service.service_settings import SCOPES, KeySettings, Scope, ServiceSettings, hash_key

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """The metrics of one service, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        names = ["method", "route", "status"]
        self._requests = Counter("xqg_requests", "Requests answered", names, registry=self._registry)
        self._seconds = Histogram(
            "xqg_request_seconds", "Time to the answer", ["method", "route"], buckets=SECONDS, registry=self._registry
        )
        self._ended = Counter("xqg_jobs_ended", "Jobs that ended", ["state"], registry=self._registry)
        self._passages = Counter(
            "xqg_passages", "Passages of jobs that ended, by what became of them", ["outcome"], registry=self._registry
        )
        self._jobs = Gauge("xqg_jobs", "Jobs in the queue's records", ["state"], registry=self._registry)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request. :param route: its template, so that there are few of them."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def job_ended(self, state: str, counts: Mapping[str, Any]) -> None:
        """Count a job and its passages."""
        self._ended.labels(state).inc()
        for outcome in ("upserted", "skipped", "rejected", "deleted"):
            self._passages.labels(outcome).inc(counts.get(outcome, 0))

    def text(self, jobs: Callable[[], Mapping[str, int]]) -> bytes:
        """All metrics in Prometheus's text format."""
        for state, number in jobs().items():
            self._jobs.labels(state).set(number)
        return generate_latest(self._registry)


SMALL_BODY_BYTES = 2**20
"""Largest body of a request that brings no passages."""

REMEMBERED_CLIENTS = 10_000
LONGEST_KEY = 1024
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")
OPEN_PATHS = (
    *("/", "/page.css", "/page.js", "/favicon.ico", "/sample/corpus.jsonl", "/sample/questions.jsonl"),
    *("/healthz", "/readyz", "/openapi.json"),
)
_PASSAGES = re.compile(r"/v1/collections/[^/]+/passages")
_READING = re.compile(r"/v1/collections/[^/]+/(search|compare)|/mcp")

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
}


def needed_scope(method: str, path: str) -> Scope | None:
    """What a key must be allowed to do for a request; None where none is needed."""
    if path in OPEN_PATHS and method in ("GET", "HEAD"):
        return None
    if path == "/v1/augment" or (method == "DELETE" and path.count("/") == 3):  # /v1/collections/NAME
        return "admin"
    return "read" if method in ("GET", "HEAD") or _READING.fullmatch(path) else "write"


class KeyRing:
    """The accepted keys and their scopes, compared in constant time."""

    def __init__(self, keys: Sequence[KeySettings]) -> None:
        self._keys = [(key.sha256.encode("ascii"), key.scope) for key in keys]

    def scope_of(self, key: str) -> Scope | None:
        """What ``key`` may do; None where it is unknown."""
        given = hash_key(key[:LONGEST_KEY]).encode("ascii")
        found: Scope | None = None
        for known, scope in self._keys:  # all of them, whichever fits
            if hmac.compare_digest(given, known):
                found = scope
        return found

    def __bool__(self) -> bool:
        return bool(self._keys)


class Rates:
    """A token bucket for each client: so many requests a second, and twice as many at once."""

    def __init__(self, per_second: float) -> None:
        self._rate, self._most = per_second, max(1.0, 2 * per_second)
        self._clients: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def seconds_to_wait(self, client: str) -> float:
        """0 where ``client`` may send a request now, which then counts; else in how many seconds."""
        now = time.monotonic()
        left, at = self._clients.pop(client, (self._most, now))
        left = min(self._most, left + (now - at) * self._rate)
        wait = 0.0 if left >= 1 else (1 - left) / self._rate
        self._clients[client] = (left - 1 if wait == 0 else left, now)
        if len(self._clients) > REMEMBERED_CLIENTS:
            self._clients.popitem(last=False)
        return wait


class Guard:
    """Middleware that checks every request before the application gets it, and measures the answers."""

    def __init__(self, app: ASGIApp, settings: ServiceSettings, metrics: Metrics) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics
        self._ring, self._rates = KeyRing(settings.keys), Rates(settings.requests_per_second)

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500
        headers = Headers(scope=scope)

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refusal = self._refusal(scope, headers)
        try:
            if refusal is not None:
                await refusal(scope, receive, answer)
            else:
                await self._app(scope, self._limited(receive, self._limit(scope, headers)), answer)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            method = scope["method"] if scope["method"] in METHODS else "other"
            self._metrics.answered(method, route, status, time.perf_counter() - began)

    def _refusal(self, scope: ASGIScope, headers: Headers) -> Answer | None:
        key = _key(headers)
        known = None if key is None else self._ring.scope_of(key)
        address = (scope.get("client") or ("",))[0]
        # a wrong key counts for the address it came from, or guessing would be free
        wait = self._rates.seconds_to_wait(address if key is None or known is None else hash_key(key))
        if wait > 0:
            return _refused(429, "Too many requests", {"retry-after": str(int(wait) + 1)})
        reason = self._foreign(headers)
        if reason is not None:
            return _refused(403, reason)
        needed = needed_scope(scope["method"], scope["path"])
        if needed is not None and self._ring:
            if known is None:
                return _refused(401, "A key is needed: Authorization: Bearer KEY", {"www-authenticate": "Bearer"})
            if SCOPES.index(known) < SCOPES.index(needed):
                return _refused(403, f"This key may {known}; the request needs one that may {needed}")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or len(length) > 18:
            return _refused(400, "The Content-Length is no number")
        limit = self._limit(scope, headers)
        return _refused(413, f"The body has more than {limit} bytes") if int(length) > limit else None

    def _foreign(self, headers: Headers) -> str | None:
        """Why a request comes from a foreign page; None where it does not.

        Without keys whoever reaches the port is let in, and every page in a browser on this machine does.
        """
        host, origin = headers.get("host", ""), headers.get("origin")
        name = urlsplit(f"//{host}").hostname if re.fullmatch(r"[\w.:\[\]-]+", host) else None
        if not self._ring and (name is None or not is_loopback(name)):
            return "The Host is not this machine's"
        if origin is not None and urlsplit(origin if origin.isascii() else "").netloc != host:
            return "Requests from other pages are refused"
        return None

    def _limit(self, scope: ASGIScope, headers: Headers) -> int:
        if scope["method"] != "POST" or not _PASSAGES.fullmatch(scope["path"]):
            return SMALL_BODY_BYTES
        kind = headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        return self._settings.most_json_bytes if kind == "application/json" else self._settings.most_upload_bytes

    def _limited(self, receive: Receive, limit: int) -> Receive:
        taken = 0

        async def take() -> Message:
            nonlocal taken
            more = taken >= 0
            try:
                message = await asyncio.wait_for(receive(), self._settings.body_seconds if more else None)
            except asyncio.TimeoutError:
                raise HTTPException(408, "The body did not come in time") from None
            if message["type"] == "http.request":
                taken += len(message.get("body", b""))
                if taken > limit:
                    raise HTTPException(413, f"The body has more than {limit} bytes")
                if not message.get("more_body", False):
                    taken = -1  # the next message is the disconnection, whenever it comes
            return message

        return take


def _key(headers: Headers) -> str | None:
    kind, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if kind.lower() == "bearer" and key.strip() else headers.get("api-key")


def _refused(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer({"detail": detail}, status, {"connection": "close", **(headers or {})})
