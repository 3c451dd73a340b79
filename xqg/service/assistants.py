"""The collections for assistants: a server of the Model Context Protocol at ``/mcp``, read only."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Annotated

from fastapi import FastAPI, HTTPException
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field
from starlette.routing import Route

from xqg.errors import StoreError, XqgError
from xqg.plugin.mcp import (
    READ_ONLY,
    Filters,
    Hits,
    Limit,
    PassageId,
    Query,
    ShownWithQueries,
    find_passages,
    show_passage,
)
from xqg.search.searcher import Searcher
from xqg.service.routes_collections import require_store
from xqg.service.service import NAME, Service

INSTRUCTIONS = (
    "Collections of passages; `collections` names them. Ask `search` a whole question in the user's own language, "
    "whatever language the passages are in; `show` gives one passage in full."
)
Collection = Annotated[str, Field(pattern=NAME, description="one of `collections`")]


def build_server(service: Service) -> MCPServer:
    """The server, not yet running, of all collections of a service."""
    handlers = [*logging.root.handlers]
    server = MCPServer("xqg", instructions=INSTRUCTIONS, log_level="WARNING")
    logging.root.handlers[:] = handlers  # the SDK adds its own

    @server.tool(annotations=READ_ONLY)
    def collections() -> list[str]:
        """List the collections that can be searched."""
        with _told_errors(service):
            return service.collection_names()

    @server.tool(annotations=READ_ONLY)
    def search(collection: Collection, query: Query, limit: Limit = 5, filters: Filters = None) -> Hits:
        """Search a collection for the passages that answer a question."""
        with _told_errors(service):
            return find_passages(_searcher(service, collection), query, limit, filters)

    @server.tool(annotations=READ_ONLY)
    def show(collection: Collection, id: PassageId) -> ShownWithQueries:  # noqa: A002
        """Show one passage in full, with the questions that were generated for it."""
        with _told_errors(service):
            return show_passage(_searcher(service, collection), id)

    return server


def add_assistants(app: FastAPI, service: Service) -> AbstractAsyncContextManager[None]:
    """Add the route; the context that is returned runs its server. Without sessions: each request stands alone."""
    server = build_server(service)
    server.streamable_http_app(stateless_http=True, json_response=True)  # makes its session manager
    manager = server.session_manager
    manager.security_settings = None  # the guard has checked host and origin
    app.router.routes.append(Route("/mcp", manager.asgi_app, methods=["POST"]))
    return manager.run()


@contextmanager
def _told_errors(service: Service) -> Iterator[None]:
    try:
        yield
    except HTTPException as error:
        raise ToolError(str(error.detail)) from None
    except (XqgError, ToolError) as error:
        raise ToolError(service.teller.tell(str(error))) from None


def _searcher(service: Service, collection: str) -> Searcher:
    require_store(service, collection)
    found = service.parts.searcher(collection)
    if found is None:
        raise StoreError(f"Collection {collection!r} is empty")
    return found[0]
