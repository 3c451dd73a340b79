"""Collections as wholes: which there are, how one is opened to be read, and dropped."""

from __future__ import annotations

import shutil
from contextlib import closing

from xqg.errors import StoreError
from xqg.settings import StoreSettings
from xqg.stores.augmented import augmented_from
from xqg.stores.edge_files import collection_exists
from xqg.stores.server import Server
from xqg.stores.server_store import ServerStore, SourceStore


def embedded_collections(settings: StoreSettings) -> list[str]:
    """The names of the collections in the folder of an embedded store, sorted; [] for a server."""
    folder = settings.embedded_path
    if folder is None or not folder.is_dir():
        return []
    return sorted(place.name for place in folder.iterdir() if place.is_dir() and _is_collection(place.name, settings))


def open_server_store(settings: StoreSettings, beside: str | None = None) -> ServerStore:
    """The store of a collection, to read from: one that `xqg augment` made, or the source of one, in its layout.

    :param beside: a collection that may have been augmented from this one.
    """
    server, name = Server(settings), settings.collection
    for other in (name, *([] if beside is None else [beside])):
        shape = server.shape(other)
        block = None if shape is None else augmented_from(shape.metadata)
        if block is not None and other == name:
            return ServerStore(server, name, block)
        if block is not None and block.source == name:
            return SourceStore(server, block, ServerStore(server, other, block))
    return ServerStore(server, name)


def drop_collection(settings: StoreSettings) -> bool:
    """Delete the collection for good; nobody may have it open. Returns whether there was one.

    :raises StoreError: if the place holds something else, or the store refuses.
    """
    folder, name = settings.embedded_path, settings.collection
    if folder is None:
        with closing(Server(settings)) as server:
            client = server.client()
            return bool(server.call(name, "delete the collection", lambda: client.delete_collection(name)))
    if not collection_exists(folder / name):
        return False
    try:
        shutil.rmtree(folder / name)
    except OSError as error:
        raise StoreError(f"The collection at {folder / name} cannot be deleted: {error}") from error
    return True


def _is_collection(name: str, settings: StoreSettings) -> bool:
    folder = settings.embedded_path
    try:
        return folder is not None and collection_exists(folder / name)
    except StoreError:  # somebody else's folder
        return False
