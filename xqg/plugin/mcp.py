"""A Model Context Protocol server, so that assistants can search a collection: two tools, both read only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from pydantic import BaseModel, Field, JsonValue

from xqg.errors import MissingDependencyError, XqgError
from xqg.records import Passage
from xqg.search.searcher import Searcher

try:
    from mcp.server import MCPServer
    from mcp.server.mcpserver.exceptions import ToolError
    from mcp.types import ToolAnnotations
except ImportError as error:
    raise MissingDependencyError(f"The MCP SDK is not installed: {error}", "", 'pip install "xqg[mcp]"') from error

READ_ONLY = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)

INSTRUCTIONS = (
    "Passages of the collection {name!r}. Ask `search` a whole question in the user's own language, whatever language "
    "the passages are in; `show` gives one passage in full."
)
LONGEST_TEXT = 2_000
"""Characters of a passage in a list of hits; `show` has all of it."""

FILTERS = (
    'what the metadata must be: {"section": "Access"}, {"tags": ["a", "b"]} for any of them, {"year": {">=": 2023}} '
    'with =, !=, <, <=, >, >=; or a list of texts such as "year>=2023"'
)
Scalar = bool | int | float | str
AskedFilters = dict[str, Scalar | list[Scalar] | dict[str, Scalar | list[Scalar]]] | list[str]

Query = Annotated[str, Field(description="a question in any language")]
Limit = Annotated[int, Field(ge=1, le=50, description="passages to return")]
Filters = Annotated[AskedFilters | None, Field(description=FILTERS)]
PassageId = Annotated[str, Field(description="of a passage, as in a hit")]


class ShownPassage(BaseModel):
    """A passage as a tool returns it."""

    id: str
    title: str = ""
    text: str
    metadata: dict[str, JsonValue] = Field(default_factory=dict)


class ShownHit(ShownPassage):
    """A hit; a higher score is better, within one search."""

    score: float


class Hits(BaseModel):
    """Hits, best first."""

    hits: list[ShownHit]


class ShownWithQueries(ShownPassage):
    """A passage in full, with the questions that were generated for it, by language."""

    queries: dict[str, list[str]] = Field(default_factory=dict)


def build_server(reader: Searcher, name: str) -> MCPServer:
    """The server, not yet running. :param name: of the collection, for the assistant."""
    server = MCPServer("xqg", instructions=INSTRUCTIONS.format(name=name))

    @server.tool(annotations=READ_ONLY)
    def search(query: Query, limit: Limit = 5, filters: Filters = None) -> Hits:
        """Search the collection for the passages that answer a question."""
        return find_passages(reader, query, limit, filters)

    @server.tool(annotations=READ_ONLY)
    def show(id: PassageId) -> ShownWithQueries:  # noqa: A002
        """Show one passage in full, with the questions that were generated for it."""
        return show_passage(reader, id)

    return server


def find_passages(reader: Searcher, query: str, limit: int, filters: AskedFilters | None) -> Hits:
    """The hits of a question. :raises ToolError: says what was wrong."""
    with tool_errors():
        found = reader.search(query, limit, filters or ())
    return Hits(hits=[ShownHit(**_shown(hit.passage, LONGEST_TEXT), score=hit.score) for hit in found])


def show_passage(reader: Searcher, passage_id: str) -> ShownWithQueries:
    """One passage in full. :raises ToolError: if there is none, or it cannot be read."""
    with tool_errors():
        point = reader.look_up(passage_id)
    if point is None:
        raise ToolError(f"No passage {passage_id!r} in this collection.")
    queries = {code: list(texts) for code, texts in point.entry.texts.queries.items() if texts}
    return ShownWithQueries(**_shown(point.passage), queries=queries)


@contextmanager
def tool_errors() -> Iterator[None]:
    """Turn our errors into those that an assistant reads."""
    try:
        yield
    except XqgError as error:
        raise ToolError(str(error)) from error


def _shown(passage: Passage, longest: int | None = None) -> dict[str, JsonValue]:
    text = passage.text
    if longest is not None and len(text) > longest:
        text = text[:longest] + " …"
    return {"id": passage.id, "title": passage.title, "text": text, "metadata": dict(passage.metadata)}
