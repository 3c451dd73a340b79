"""Builds the application of a service: its routes, the page, and the guard before them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from importlib.resources import files
from importlib.util import find_spec

from fastapi import FastAPI
from starlette.responses import Response
from starlette.types import ASGIApp

from xqg import __version__
from xqg.service import routes_collections, routes_jobs, routes_passages, routes_search, routes_service
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
    for routes in (routes_collections, routes_passages, routes_jobs, routes_search, routes_service):
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
    if find_spec("mcp") is None:
        return nullcontext()
    from xqg.service.assistants import add_assistants

    return add_assistants(app, service)
