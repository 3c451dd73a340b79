"""A Model Context Protocol server, so that assistants can search any collection: two tools, both read only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from pydantic import BaseModel, Field, JsonValue

from xqg.assembly import open_searcher
from xqg.errors import SettingsError, StoreError, XqgError
from xqg.extras import importing
from xqg.kinds import build_encoder
from xqg.known_layouts import choose_layout
from xqg.layouts import Layout
from xqg.metadata import check_metadata, noted_encoder, pinned_encoder
from xqg.records import Passage
from xqg.search.searcher import Searcher, check_encoder
from xqg.settings import EncoderSettings, SearchSettings, Settings, StoreSettings
from xqg.stores.augmented import Augmented, augmented_from
from xqg.stores.collection_config import Shape
from xqg.stores.server import Server, require_shape
from xqg.stores.server_store import ServerStore

with importing("mcp", "The MCP server"):
    from mcp.server import MCPServer
    from mcp.server.mcpserver.exceptions import ToolError
    from mcp.types import ToolAnnotations

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


class ReadingSettings(Settings):
    """Which collection is read, with which encoder, and where its payloads keep what."""

    store: StoreSettings
    encoder: EncoderSettings | None = Field(None, description="that made its vectors; None: as xqg noted it there")
    endpoint: dict[str, Any] = Field(default_factory=dict, description="this machine's part of a noted encoder")
    layout: str | None = Field(None, description="who wrote the payloads; None: recognised")
    text_key: str | None = Field(None, min_length=1, description="payload key of the text; None: the layout's")
    metadata_key: str | None = Field(None, description="payload key of the metadata; None: the layout's")
    vector_name: str | None = Field(None, description="dense vector to search; None: the only one, or the fused one")


def open_reader(settings: ReadingSettings) -> Searcher:
    """A searcher on the collection, with its encoder checked but not loaded; of other layouts a passage's id is its
    point's.

    :raises StoreError: if the collection is missing, or there is no telling how it is read.
    :raises SettingsError: if its encoder is not known. :raises FingerprintError: if another one is named.
    """
    name = settings.store.collection
    if not settings.store.is_server:
        return _open_own(settings)
    server = Server(settings.store)
    try:
        shape = require_shape(server, name)
        if shape.own and augmented_from(shape.metadata) is None:
            server.close()
            return _open_own(settings)
        return _open_other(server, name, shape, settings)
    except BaseException:
        server.close()
        raise


def _open_own(settings: ReadingSettings) -> Searcher:
    """A collection in xqg's layout, for which nothing has to be named."""
    for field in ("layout", "text_key", "metadata_key", "vector_name"):
        if getattr(settings, field) is not None:
            raise SettingsError(
                f"{field} says how payloads of other software are read, but xqg made {settings.store.collection!r}",
                remedy="Drop it",
            )
    return open_searcher(SearchSettings(store=settings.store, encoder=settings.encoder, endpoint=settings.endpoint))


def _open_other(server: Server, name: str, shape: Shape, settings: ReadingSettings) -> Searcher:
    block = augmented_from(shape.metadata)
    vector = shape.choose_vector(name, settings.vector_name or (None if block is None else block.vector))
    layout = _layout(server, name, block, settings)
    store = ServerStore(server, name, Augmented(name, layout, vector))
    encoder = build_encoder(pinned_encoder(_encoder_settings(name, shape, settings), shape.own), for_search=True)
    collection = store.describe()
    if collection is None:
        raise StoreError(f"Collection {name!r} is gone")
    if block is not None:
        check_encoder(collection, encoder, name)
    if collection.dimension != encoder.dimension:
        raise StoreError(
            f"Collection {name!r} holds vectors of {collection.dimension} dimensions",
            f"the encoder's {encoder.dimension}",
            "Name the --encoder that made them, or another --vector-name",
        )
    return Searcher(encoder, store)


def _layout(server: Server, name: str, block: Augmented | None, settings: ReadingSettings) -> Layout:
    named = (settings.layout, settings.text_key, settings.metadata_key)
    if block is not None and named == (None, None, None):
        return block.layout
    sample = next(server.pages(name, with_vectors=False))
    return choose_layout([point.payload or {} for point in sample], *named)


def _encoder_settings(name: str, shape: Shape, settings: ReadingSettings) -> EncoderSettings:
    if settings.encoder is not None:
        return settings.encoder
    own = shape.own
    if own.get("encoder") is None:
        raise SettingsError(
            f"Nothing in collection {name!r} says which encoder made its vectors", remedy="Name it with --encoder"
        )
    check_metadata(own, name)
    return noted_encoder(own, settings.endpoint, name)


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
