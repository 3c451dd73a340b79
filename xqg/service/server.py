"""The application of a service: its routes, the page, the guard before them; run by uvicorn until SIGINT or SIGTERM."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from importlib.resources import files
from types import FrameType

import uvicorn
from fastapi import FastAPI
from starlette.responses import Response
from starlette.types import ASGIApp

from xqg import __version__
from xqg.errors import SettingsError
from xqg.extras import is_installed
from xqg.service import routes_collections, routes_jobs, routes_passages
from xqg.service.access import Guard
from xqg.service.answers import Answer, add_handlers
from xqg.service.service import Service

REFUSALS = (400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 503)
PAGE = {
    "/": ("service/page/index.html", "text/html; charset=utf-8"),
    "/page.css": ("service/page/page.css", "text/css; charset=utf-8"),
    "/page.js": ("service/page/page.js", "text/javascript; charset=utf-8"),
    "/favicon.ico": ("service/page/icon.svg", "image/svg+xml"),
    "/sample/corpus.jsonl": ("sample/corpus.jsonl", "application/x-ndjson"),
    "/sample/questions.jsonl": ("sample/questions.jsonl", "application/x-ndjson"),
}
"""The page's files in the package: all that is served of it."""


def build_app(service: Service) -> ASGIApp:
    """The application; starts and closes the service with it."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        async with assistants:
            service.start()
            yield
            service.close()

    app = FastAPI(
        title="xqg",
        version=__version__,
        lifespan=life,
        docs_url=None,
        redoc_url=None,
        default_response_class=Answer,
        responses={status: {"description": "refused: detail says why"} for status in REFUSALS},
    )
    app.state.service = service
    for routes in (routes_collections, routes_passages, routes_jobs):
        app.include_router(routes.router)
    for path, (name, kind) in PAGE.items():
        app.add_api_route(path, _page_file(name, kind), include_in_schema=False)
    assistants = _add_assistants(app, service)
    add_handlers(app, service.teller)
    return Guard(app, service.settings, service.metrics)


def _page_file(name: str, kind: str) -> Callable[[], Awaitable[Response]]:
    content = (files("xqg") / name).read_bytes()

    async def serve() -> Response:
        return Response(content, media_type=kind)

    return serve


def _add_assistants(app: FastAPI, service: Service) -> AbstractAsyncContextManager[None]:
    """Add ``/mcp`` where the SDK is installed; the context that is returned runs it."""
    if not is_installed("mcp"):
        return nullcontext()
    from xqg.service.assistants import add_assistants

    return add_assistants(app, service)


GRACE_SECONDS = 5
"""How long open requests may take after a signal; jobs take as long as their batch."""

MOST_CONNECTIONS = 512


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, stop: Callable[[], None], ready: Callable[[str], None]) -> None:
        super().__init__(config)
        self._stop, self._ready = stop, ready

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End streams of events and jobs first: uvicorn waits for them."""
        self._stop()
        super().handle_exit(sig, frame)
        if self.force_exit:  # the second SIGINT: do not wait for a batch either; what is queued is on disk
            os._exit(128 + sig)

    def end(self, sig: int, frame: FrameType | None) -> None:
        """The same before uvicorn handles signals, and after it."""
        self._stop()
        self.should_exit = True

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """Listen, and report the address. :raises SettingsError: if it cannot be used; uvicorn has logged why."""
        try:
            await super().startup(sockets)  # type: ignore[arg-type]
        except SystemExit:
            host, port = self.config.host, self.config.port
            raise SettingsError(
                f"The service cannot listen on {host}, port {port}", "an address of this machine with a free port"
            ) from None
        for server in getattr(self, "servers", []):
            for socket in server.sockets[:1]:
                host, port = socket.getsockname()[:2]
                self._ready(f"http://{f'[{host}]' if ':' in host else host}:{port}/")


def server_config(service: Service) -> uvicorn.Config:
    """How uvicorn runs the application."""
    settings = service.settings
    return uvicorn.Config(
        build_app(service),
        host=settings.host,
        port=settings.port,
        http="h11",  # bounds the size of headers
        log_level="warning",
        access_log=False,  # questions may be confidential
        server_header=False,
        date_header=True,
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE_SECONDS,
        limit_concurrency=MOST_CONNECTIONS,
        h11_max_incomplete_event_size=32 * 1024,
    )


def run_service(service: Service, ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM. :param ready: called with the page's address once it listens.

    :raises SettingsError: if the address cannot be used.
    """
    server = _Server(server_config(service), service.stop, ready)
    for which in (signal.SIGINT, signal.SIGTERM):
        signal.signal(which, server.end)  # uvicorn raises the signal again at its end, which is no failure
    server.run()
