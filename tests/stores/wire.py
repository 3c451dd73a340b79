"""A Qdrant server for tests: the REST routes that the store uses, on a free port, with faults on order.

Behind it is qdrant-client's local mode, so what is stored and found is real; what local mode lacks is in
`tests.stores.engine` (dense vectors in multivectors) or kept here (optimizer settings, payload indexes, a version).

    with WireServer() as server:                                    # from tests.stores.wire import Fault, WireServer
        server.faults.then(Fault.UNAVAILABLE, None, Fault.DROP)     # the next three requests
        server.faults.every(5, Fault.UNAVAILABLE, Fault.DROP)       # each fifth from now on, in turn
        store = make_store(server)                                  # from tests.stores.samples
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from qdrant_client import models

from tests.stores.engine import engine_client
from tests.stores.faults import Fault, Faults
from tests.stores.strict import StrictMode, StrictModeError


@dataclass(frozen=True)
class Request:
    """One request as it came in."""

    method: str
    path: str
    size: int
    body: Any
    headers: Mapping[str, str]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


@dataclass
class CollectionSettings:
    """What local mode does not keep of a collection."""

    indexing_threshold: int | None = 20_000
    payload_schema: dict[str, Any] = field(default_factory=dict)
    status: str = "green"
    strict: StrictMode | None = None
    asked: dict[str, Any] = field(default_factory=dict)

    def fill_in(self, config: dict[str, Any]) -> None:
        """Put what was asked for at the creation into what local mode tells of the collection."""
        for part, told in (("hnsw_config", "hnsw_config"), ("optimizers_config", "optimizer_config")):
            config[told] |= {key: value for key, value in (self.asked.get(part) or {}).items() if value is not None}
        config["quantization_config"] = self.asked.get("quantization_config")
        config["strict_mode_config"] = self.strict_mode()
        for part in ("shard_number", "sharding_method", "replication_factor", "on_disk_payload"):
            config["params"][part] = self.asked.get(part)
        config["optimizer_config"]["indexing_threshold"] = self.indexing_threshold

    def strict_mode(self) -> dict[str, Any] | None:
        """The strict mode in force: that of the tests, else what the collection was created with."""
        told: dict[str, Any] | None = self.asked.get("strict_mode_config")
        return told if self.strict is None else self.strict.config

    def schema(self) -> dict[str, Any]:
        """The payload indexes as a server tells them."""
        told = {}
        for name, asked in self.payload_schema.items():
            parameters = asked if isinstance(asked, dict) else None
            kind = asked["type"] if isinstance(asked, dict) else asked
            told[name] = {"data_type": kind, "params": parameters, "points": 0}
        return told


class WireServer:
    """The server; `url` is its address, `faults` its script, `requests` what came in."""

    def __init__(self, version: str = "1.17.1", api_key: str | None = None, hang_seconds: float = 2.0) -> None:
        self.version, self.api_key, self.hang_seconds = version, api_key, hang_seconds
        self.local = engine_client()
        self.faults = Faults()
        self.requests: list[Request] = []
        self.settings: dict[str, CollectionSettings] = {}
        self.threshold_changes: list[int | None] = []
        self.stopping = threading.Event()
        self.strict: StrictMode | None = None
        self._lock = threading.Lock()
        wire = self

        class Handler(_Handler):
            server_of_test = wire

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> WireServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def named(self, pattern: str) -> list[Request]:
        """The requests whose "METHOD /path" matches."""
        return [request for request in self.requests if re.search(pattern, request.name)]

    def answer(self, request: Request) -> tuple[int, Any]:
        """Status and JSON body of a request, applied."""
        try:
            with self._lock:
                return 200, {"result": self._apply(request), "status": "ok", "time": 0.0}
        except _RefusedError as error:
            return error.status, {"status": {"error": str(error)}, "time": 0.0}
        except StrictModeError as error:
            return error.status, {"status": {"error": str(error)}, "time": 0.0, "retry_after": error.retry_after}
        except ValueError as error:
            missing = "not found" in str(error)
            return 404 if missing else 400, {"status": {"error": str(error)}, "time": 0.0}

    def _apply(self, request: Request) -> Any:
        if request.name in ("GET /aliases", "POST /collections/aliases"):
            return self._aliases(request)
        found = re.fullmatch(r"/collections/([^/]+)(/.*)?", request.path)
        if found is None:
            raise _RefusedError(404, f"no route {request.name}")
        name, rest = unquote(found[1]), found[2] or ""
        route = getattr(self, _ROUTES.get((request.method, rest), ""), None)
        if route is None:
            raise _RefusedError(404, f"no route {request.name}")
        self._check_strict(request.method, rest, name, request.body)
        result = route(name, request.body)
        return result.model_dump(mode="json") if hasattr(result, "model_dump") else result

    def _check_strict(self, method: str, rest: str, name: str, body: Any) -> None:
        """What strict mode refuses; `strict` holds for all collections, as on Qdrant Cloud."""
        if not self.local.collection_exists(name):
            return
        kept = self._kept(name)
        if kept.strict is None:
            config = kept.asked.get("strict_mode_config")
            if config is None and self.strict is not None:
                config = self.strict.config
            kept.strict = None if config is None else StrictMode(config)
        if kept.strict is not None:
            kept.strict.check(f"{method} {rest}", body or {}, kept.payload_schema)

    def _aliases(self, request: Request) -> Any:
        if request.method == "GET":
            return self.local.get_aliases().model_dump(mode="json")
        return self.local.update_collection_aliases(models.ChangeAliasesOperation(**request.body).actions)

    def _describe(self, name: str, _: Any) -> Any:
        info = self.local.get_collection(name).model_dump(mode="json")
        kept = self._kept(name)
        kept.fill_in(info["config"])
        info["payload_schema"], info["status"] = kept.schema(), kept.status
        return info

    def _create(self, name: str, body: Any) -> bool:
        if self.local.collection_exists(name):
            raise _RefusedError(409, f"Wrong input: Collection `{name}` already exists!")
        asked = models.CreateCollection(**body)
        threshold = (body.get("optimizers_config") or {}).get("indexing_threshold") or 20_000
        self.settings[name] = CollectionSettings(threshold, asked=body)
        return self.local.create_collection(
            name,
            vectors_config=asked.vectors,
            sparse_vectors_config=asked.sparse_vectors,
            metadata=body.get("metadata"),
        )

    def _exists(self, name: str, _: Any) -> dict[str, bool]:
        return {"exists": self.local.collection_exists(name)}

    def _change(self, name: str, body: Any) -> bool:
        kept = self._kept(name)
        threshold = (body.get("optimizers_config") or {}).get("indexing_threshold")
        if threshold is not None:  # null leaves it as it is
            kept.indexing_threshold = threshold
            self.threshold_changes.append(threshold)
        return self.local.update_collection(name, metadata=body.get("metadata"))

    def _drop(self, name: str, _: Any) -> bool:
        return self.local.delete_collection(name)

    def _index(self, name: str, body: Any) -> dict[str, Any]:
        self._kept(name).payload_schema[body["field_name"]] = body["field_schema"]
        return dict(_COMPLETED)

    def _upsert(self, name: str, body: Any) -> dict[str, Any]:
        asked = models.PointsBatch(**body) if "batch" in body else models.PointsList(**body)
        points = asked.batch if isinstance(asked, models.PointsBatch) else asked.points
        self.local.upsert(name, points, update_filter=asked.update_filter, update_mode=asked.update_mode)
        return dict(_COMPLETED)

    def _update_vectors(self, name: str, body: Any) -> dict[str, Any]:
        asked = models.UpdateVectors(**body)
        self.local.update_vectors(name, asked.points, update_filter=asked.update_filter)
        return dict(_COMPLETED)

    def _delete(self, name: str, body: Any) -> dict[str, Any]:
        kind = models.PointIdsList if "points" in body else models.FilterSelector
        self.local.delete(name, kind(**body))
        return dict(_COMPLETED)

    def _set_payload(self, name: str, body: Any) -> dict[str, Any]:
        asked = models.SetPayload(**body)
        self.local.set_payload(name, asked.payload, asked.points or asked.filter, asked.key)
        return dict(_COMPLETED)

    def _retrieve(self, name: str, body: Any) -> list[Any]:
        asked = models.PointRequest(**body)
        records = self.local.retrieve(
            name, asked.ids, with_payload=asked.with_payload, with_vectors=asked.with_vector or False
        )
        return [record.model_dump(mode="json") for record in records]

    def _scroll(self, name: str, body: Any) -> dict[str, Any]:
        asked = models.ScrollRequest(**body)
        records, following = self.local.scroll(
            name,
            scroll_filter=asked.filter,
            limit=asked.limit or 10,
            offset=asked.offset,
            with_payload=asked.with_payload,
            with_vectors=asked.with_vector or False,
        )
        return {"points": [record.model_dump(mode="json") for record in records], "next_page_offset": following}

    def _count(self, name: str, body: Any) -> Any:
        return self.local.count(name, models.CountRequest(**(body or {})).filter)

    def _query_one(self, name: str, body: Any) -> Any:
        return self._query(name, {"searches": [body]})[0]

    def _query_groups(self, name: str, body: Any) -> Any:
        asked = models.QueryGroupsRequest(**body)
        fields = {key: value for key, value in dict(asked).items() if value is not None}
        renamed = {_QUERY_NAMES.get(key, key): value for key, value in fields.items() if key != "params"}
        return self.local.query_points_groups(name, **renamed)

    def _search(self, name: str, body: Any) -> Any:
        """The route of older clients, which this client's models know no more."""
        vector = body["vector"]
        named = vector if isinstance(vector, dict) else {"name": None, "vector": vector}
        others = {key: value for key, value in body.items() if key != "vector"}
        return self._query_one(name, {**others, "query": named["vector"], "using": named["name"]})["points"]

    def _search_many(self, name: str, body: Any) -> list[Any]:
        return [self._search(name, search) for search in body["searches"]]

    def _query(self, name: str, body: Any) -> list[Any]:
        asked = models.QueryRequestBatch(**body)
        for query in asked.searches:
            query.params = None  # local mode is always exact, and warns when told to be
        return [answer.model_dump(mode="json") for answer in self.local.query_batch_points(name, asked.searches)]

    def _kept(self, name: str) -> CollectionSettings:
        """Settings of a collection or of the one that an alias names."""
        self.local.get_collection(name)
        names = {alias.alias_name: alias.collection_name for alias in self.local.get_aliases().aliases}
        return self.settings.setdefault(names.get(name, name), CollectionSettings())


__all__ = ["CollectionSettings", "Fault", "Faults", "Request", "WireServer"]

_COMPLETED = {"operation_id": 0, "status": "completed"}

_QUERY_NAMES = {"filter": "query_filter", "with_vector": "with_vectors"}
"""Fields of a request that the client's methods call otherwise."""

_ROUTES = {
    ("GET", ""): "_describe",
    ("GET", "/exists"): "_exists",
    ("PUT", ""): "_create",
    ("PATCH", ""): "_change",
    ("DELETE", ""): "_drop",
    ("PUT", "/index"): "_index",
    ("PUT", "/points"): "_upsert",
    ("POST", "/points"): "_retrieve",
    ("POST", "/points/delete"): "_delete",
    ("POST", "/points/scroll"): "_scroll",
    ("POST", "/points/count"): "_count",
    ("POST", "/points/payload"): "_set_payload",
    ("POST", "/points/query"): "_query_one",
    ("POST", "/points/query/batch"): "_query",
    ("POST", "/points/query/groups"): "_query_groups",
    ("POST", "/points/search"): "_search",
    ("POST", "/points/search/batch"): "_search_many",
    ("PUT", "/points/vectors"): "_update_vectors",
}


class _RefusedError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    server_of_test: WireServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Keep the test's output clean."""

    def _serve(self) -> None:
        wire = self.server_of_test
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        headers = {key.lower(): value for key, value in self.headers.items()}
        request = Request(self.command, path, len(raw), json.loads(raw) if raw else None, headers)
        wire.requests.append(request)
        fault = wire.faults.next(request.name)
        if fault is not None and self._fail(fault, request):
            return
        if wire.api_key is not None and headers.get("api-key") != wire.api_key:
            self._send(401, {"status": {"error": f"Invalid API key {headers.get('api-key')}"}})
        elif path == "/":
            self._send(200, {"title": "wire", "version": wire.version})
        else:
            status, body = wire.answer(request)
            if fault is Fault.WAIT_TIMEOUT and isinstance(body.get("result"), dict):
                body["result"]["status"] = "wait_timeout"
            pause = body.pop("retry_after", None)
            self._send(status, body, cut=fault is Fault.DROP_HALFWAY, retry_after=pause)

    def _fail(self, fault: Fault, request: Request) -> bool:
        """Whether ``fault`` has already dealt with the request."""
        wire = self.server_of_test
        if fault is Fault.UNAVAILABLE:
            self._send(503, {"status": {"error": "out of service"}})
        elif fault is Fault.FORBIDDEN:
            self._send(403, {"status": {"error": f"{request.headers.get('api-key')} may not do that"}})
        elif fault in _RETRY_AFTER:
            self._send(429, {"status": {"error": "too many requests"}}, retry_after=_RETRY_AFTER[fault])
        elif fault is Fault.WEB_PAGE:
            self._send(200, "<html>hello</html>")
        elif fault is Fault.HANG:
            wire.stopping.wait(wire.hang_seconds)
            self._drop()
        elif fault is Fault.DROP:
            self._drop()
        elif fault is Fault.APPLY_THEN_DROP:
            wire.answer(request)
            self._drop()
        else:
            return False
        return True

    def _send(self, status: int, body: Any, cut: bool = False, retry_after: str | None = None) -> None:
        raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        if retry_after is not None:
            self.send_header("Retry-After", retry_after)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # a client that was killed
            self.end_headers()
            self.wfile.write(raw[: len(raw) // 2] if cut else raw)
        if cut:
            self._drop()

    def _drop(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815


_RETRY_AFTER = {
    Fault.RATE_LIMIT: "3",
    Fault.RATE_LIMIT_DATE: "Wed, 21 Oct 2026 07:28:00 GMT",
    Fault.RATE_LIMIT_BARE: None,
}
