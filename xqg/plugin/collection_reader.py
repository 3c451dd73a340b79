"""Searching any collection: one that xqg made or augmented, or one that other software wrote. Never writes."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from xqg.assembly import open_searcher
from xqg.errors import SettingsError, StoreError
from xqg.kinds import build_encoder
from xqg.known_layouts import choose_layout
from xqg.layouts import Layout
from xqg.metadata import check_metadata, noted_encoder, pinned_encoder
from xqg.search.searcher import Searcher, check_encoder
from xqg.settings import EncoderSettings, SearchSettings, Settings, StoreSettings
from xqg.stores.augmented import Augmented, augmented_from
from xqg.stores.collection_config import Shape
from xqg.stores.server import Server, require_shape
from xqg.stores.server_store import ServerStore


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
