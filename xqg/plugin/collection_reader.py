"""Searching any collection: one that xqg made or augmented, or one that other software wrote. Never writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from pydantic import Field

from xqg.assembly import open_searcher
from xqg.errors import SettingsError, StoreError
from xqg.kinds import build_encoder
from xqg.known_layouts import choose_layout
from xqg.layouts import OWN_KEY, Layout
from xqg.metadata import check_metadata, noted_encoder
from xqg.protocols import Encoder, Point
from xqg.records import Hit, LedgerEntry, Texts
from xqg.search.filters import Filters, read_filters
from xqg.search.searcher import check_encoder
from xqg.settings import EncoderSettings, SearchSettings, Settings, StoreSettings
from xqg.stores.augmented import Augmented, AugmentedStore, augmented_from
from xqg.stores.foreign import ForeignServer, Shape, require_shape
from xqg.stores.foreign_points import ForeignPoint, identity


class ReadingSettings(Settings):
    """Which collection is read, with which encoder, and where its payloads keep what."""

    store: StoreSettings
    encoder: EncoderSettings | None = Field(None, description="that made its vectors; None: as xqg noted it there")
    endpoint: dict[str, Any] = Field(default_factory=dict, description="this machine's part of a noted encoder")
    layout: str | None = Field(None, description="who wrote the payloads; None: recognised")
    text_key: str | None = Field(None, min_length=1, description="payload key of the text; None: the layout's")
    metadata_key: str | None = Field(None, description="payload key of the metadata; None: the layout's")
    vector_name: str | None = Field(None, description="dense vector to search; None: the only one, or the fused one")


class Reader(Protocol):
    """Reads one collection."""

    def search(self, query: str, limit: int, filters: Filters = ()) -> list[Hit]:
        """The passages nearest to ``query``, best first."""

    def look_up(self, passage_id: str) -> Point | None:
        """The passage with this id, as hits carry it; None if there is none."""

    def close(self) -> None:
        """Release files and connections."""


def open_reader(settings: ReadingSettings) -> Reader:
    """A reader of the collection, with its encoder checked but not loaded.

    :raises StoreError: if the collection is missing, or there is no telling how it is read.
    :raises SettingsError: if its encoder is not known. :raises FingerprintError: if another one is asked for.
    """
    name = settings.store.collection
    if not settings.store.is_server:
        return _own(settings)
    server = ForeignServer(settings.store)
    try:
        shape = require_shape(server, name)
        if OWN_KEY in shape.metadata and augmented_from(shape.metadata) is None:
            server.close()
            return _own(settings)
        return _foreign(server, name, shape, settings)
    except BaseException:
        server.close()
        raise


def _own(settings: ReadingSettings) -> Reader:
    """A collection in xqg's layout, which leaves nothing to be named."""
    for field in ("layout", "text_key", "metadata_key", "vector_name"):
        if getattr(settings, field) is not None:
            raise SettingsError(
                f"{field} says how foreign payloads are read, but xqg made {settings.store.collection!r}",
                remedy="Drop it",
            )
    return open_searcher(SearchSettings(store=settings.store, encoder=settings.encoder, endpoint=settings.endpoint))


def _foreign(server: ForeignServer, name: str, shape: Shape, settings: ReadingSettings) -> Reader:
    block = augmented_from(shape.metadata)
    vector = settings.vector_name or _choose_vector(name, shape, block)
    if vector not in shape.vectors:
        raise StoreError(
            f"Collection {name!r} has no dense vector {vector!r}", f"one of {', '.join(map(repr, shape.vectors))}"
        )
    layout = _layout(server, name, block, settings)
    store = AugmentedStore(server, name, Augmented(name, layout, vector))
    encoder = build_encoder(_encoder_settings(name, shape, settings), for_search=True)
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
    return ForeignReader(server, name, encoder, layout, store)


def _choose_vector(name: str, shape: Shape, block: Augmented | None) -> str:
    if block is not None:
        return block.vector
    candidates = list(shape.vectors)
    if len(candidates) != 1:
        found = (
            f"{len(candidates)} dense vectors: {', '.join(map(repr, candidates))}" if candidates else "no dense vector"
        )
        raise StoreError(f"Collection {name!r} has {found}", "one to search", "Name it with --vector-name")
    return candidates[0]


def _layout(server: ForeignServer, name: str, block: Augmented | None, settings: ReadingSettings) -> Layout:
    named = (settings.layout, settings.text_key, settings.metadata_key)
    if block is not None and named == (None, None, None):
        return block.layout
    sample = next(server.pages(name, with_vectors=False))
    return choose_layout([point.payload for point in sample], *named)


def _encoder_settings(name: str, shape: Shape, settings: ReadingSettings) -> EncoderSettings:
    if settings.encoder is not None:
        return settings.encoder
    own = shape.metadata.get(OWN_KEY)
    if not isinstance(own, Mapping) or own.get("encoder") is None:
        raise SettingsError(
            f"Nothing in collection {name!r} says which encoder made its vectors", "", "Name it with --encoder"
        )
    check_metadata(own, name)
    return noted_encoder(own, settings.endpoint, name)


class ForeignReader:
    """Reads a collection of any layout on a server, by one of its vectors; a passage's id is its point's."""

    def __init__(
        self, server: ForeignServer, name: str, encoder: Encoder, layout: Layout, store: AugmentedStore
    ) -> None:
        self._server, self._name, self._encoder = server, name, encoder
        self._layout, self._store = layout, store

    def search(self, query: str, limit: int, filters: Filters = ()) -> list[Hit]:
        """The passages nearest to ``query``, best first."""
        if not query.strip():
            raise SettingsError("The query is empty", "a question in any language")
        conditions = read_filters(filters)
        return self._store.search(self._encoder.encode_queries([query]), limit, conditions)[0]

    def look_up(self, passage_id: str) -> Point | None:
        """The passage of this point; None if there is none."""
        found = next(iter(self._server.points(self._name, [identity(passage_id)]).values()), None)
        return None if found is None else self._point(found)

    def close(self) -> None:
        """Release the connections."""
        self._server.close()

    def _point(self, found: ForeignPoint) -> Point:
        own = self._layout.own(found.payload) or {}
        passage = self._layout.passage(str(found.id), self._layout.without_own(found.payload), lambda text: "")
        queries = {language: tuple(texts) for language, texts in (own.get("queries") or {}).items()}
        return Point(passage, LedgerEntry("", "", "", "", Texts(queries)))
