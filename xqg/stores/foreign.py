"""Collections that other software made: read as they are, and copied into new ones that differ in vectors only."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from qdrant_client import QdrantClient, models

from xqg.errors import StoreError
from xqg.settings import StoreSettings
from xqg.stores.conditions import any_of
from xqg.stores.filters import Kind, Paths, Test
from xqg.stores.foreign_copy import creation_arguments, index_schema, with_several_rows
from xqg.stores.foreign_points import ForeignPoint, Identity, read_point
from xqg.stores.limits import Limits, in_parts, read_limits
from xqg.stores.payload import KEY
from xqg.stores.server_calls import ExistingCollectionError, MissingCollectionError, ServerCalls, check_done
from xqg.stores.server_connection import ServerConnection
from xqg.stores.server_indexes import PayloadIndexes, parse_index
from xqg.stores.server_indexing import restore_indexing
from xqg.stores.server_layout import most_rows
from xqg.stores.server_requests import any_of as match_any
from xqg.stores.server_requests import split_rows


@dataclass(frozen=True)
class VectorShape:
    """One dense vector of a collection; ``distance`` and ``datatype`` as Qdrant names them, in lower case.

    ``most_rows`` as in `Collection`.
    """

    size: int
    distance: str
    datatype: str
    multivector: bool
    most_rows: int | None = None


@dataclass(frozen=True)
class Shape:
    """What a collection keeps: dense vectors by name ("" for the unnamed one), and its own metadata."""

    vectors: Mapping[str, VectorShape]
    metadata: Mapping[str, Any]
    custom_sharding: bool


class ForeignServer:
    """The collections and aliases of one server. A name may be an alias wherever a collection is read."""

    def __init__(self, settings: StoreSettings, sleep: Callable[[float], None] | None = None) -> None:
        self._connection, self._limit = ServerConnection(settings, sleep), settings.max_request_bytes
        self._told: dict[str, models.CollectionInfo] = {}

    def client(self) -> QdrantClient:
        """The client, connected."""
        return self._connection.client()

    def calls(self, name: str) -> ServerCalls:
        """What makes calls to the collection ``name``."""
        return self._connection.calls(name)

    def close(self) -> None:
        """Release the connections; calling it twice does nothing."""
        self._connection.close()

    def info(self, name: str) -> models.CollectionInfo | None:
        """The collection in Qdrant's own terms; None if there is none."""
        client = self.client()
        try:
            info = self.calls(name)("look at the collection", lambda: client.get_collection(name))
        except MissingCollectionError:
            return None
        self._told[name] = info
        return info

    def known_info(self, name: str, again: bool = False) -> models.CollectionInfo:
        """The collection, which must be there, as it was when it was looked at last. :param again: look now."""
        known = None if again else self._told.get(name)
        info = self.info(name) if known is None else known
        if info is None:
            raise MissingCollectionError(f"There is no collection {name!r} on this server")
        return info

    def limits(self, name: str) -> Limits:
        """How much one request to the collection may ask for."""
        return read_limits(self.known_info(name))

    def shape(self, name: str) -> Shape | None:
        """The collection in ours; None if there is none."""
        info = self.info(name)
        if info is None:
            return None
        params = info.config.params
        vectors = params.vectors if isinstance(params.vectors, Mapping) else {"": params.vectors}
        shapes = {
            name: replace(_shape(vector), most_rows=most_rows(info, name))
            for name, vector in vectors.items()
            if vector is not None
        }
        sharding = params.sharding_method == models.ShardingMethod.CUSTOM
        return Shape(shapes, dict(info.config.metadata or {}), sharding)

    def count(self, name: str) -> int:
        """How many points the collection has; exactly, unless strict mode forbids that."""
        client = self.client()
        if not self.limits(name).exact:
            return self.known_info(name, again=True).points_count or 0
        return self.calls(name)("count the points", lambda: client.count(name, exact=True)).count

    def pages(
        self,
        name: str,
        with_payload: bool | list[str] = True,
        with_vectors: bool = True,
        condition: models.Filter | None = None,
    ) -> Pages:
        """All points by id, some at a time; only those that meet ``condition`` where there is one."""
        client, offset = self.client(), None
        while True:
            scroll = partial(
                client.scroll,
                name,
                scroll_filter=condition,
                limit=self.limits(name).page,
                offset=offset,
                with_payload=with_payload,
                with_vectors=with_vectors,
            )
            records, offset = self.calls(name)("read points", scroll)
            yield [read_point(record) for record in records]
            if offset is None:
                return

    def points(
        self, name: str, ids: Sequence[Identity], with_payload: bool | list[str] = True, with_vectors: bool = False
    ) -> dict[Identity, ForeignPoint]:
        """Those of the points that are there, by id; the server refuses to look for what can be no point's id."""
        client = self.client()
        ids = [key for key in ids if _is_point_id(key)]

        def read(part: list[Any]) -> dict[Identity, ForeignPoint]:
            retrieve = partial(client.retrieve, name, part, with_payload=with_payload, with_vectors=with_vectors)
            return {point.id: point for point in map(read_point, self.calls(name)("read points", retrieve))}

        found: dict[Identity, ForeignPoint] = {}
        if ids:
            for points in in_parts(ids, self.limits(name).lookups, read):
                found |= points
        return found

    def write(
        self,
        name: str,
        rows: Sequence[tuple[Identity, Any, Mapping[str, Any]]],
        conditions: Mapping[Identity, Sequence[models.Condition]],
    ) -> None:
        """Store rows of id, vectors and payload, idempotent by id; returns when they are applied.

        :param conditions: for each id what a point that is there must meet to be replaced; else it stays as it is.
        """
        client, at_once = self.client(), self.limits(name).writes

        def send(part: list[models.PointStruct]) -> None:
            met = any_of([(point.id, conditions[point.id]) for point in part])  # type: ignore[index]  # UUIDs are str
            self._update(name, "store points", partial(client.upsert, name, part, update_filter=met, wait=True))

        for rows_at_once in split_rows(rows, self._limit, at_once):
            for _ in in_parts(rows_at_once, at_once, send):
                pass

    def delete(self, name: str, ids: Sequence[Identity], condition: Callable[[list[Identity]], models.Filter]) -> None:
        """Delete those of the points that meet ``condition``, which is made for some of their ids at a time."""
        client = self.client()

        def send(part: list[Identity]) -> None:
            selector = models.FilterSelector(filter=condition(part))
            self._update(name, "delete points", partial(client.delete, name, selector, wait=True))

        for _ in in_parts(ids, self.limits(name).ids, send):
            pass

    def index_fields(self, name: str, fields: Sequence[str], paths: Paths, source: str) -> None:
        """Index these fields, each ``KEY:TYPE``. :param paths: what a key may mean; the points of ``source`` tell."""
        call = self.calls(name)
        indexes = PayloadIndexes(self.client(), call, name, lambda: self.known_info(name, again=True))
        for key, kind in [parse_index(field) for field in fields]:
            indexes.make(self._present(source, paths(key)), kind)

    def _present(self, name: str, paths: Sequence[str]) -> str:
        """The first of the paths that a point has; the first of all where none has one."""
        for path in paths:
            condition = match_any([Test(path, Kind.PRESENT)])
            if next(self.pages(name, with_payload=False, with_vectors=False, condition=condition)):
                return path
        return paths[0]

    def create_like(self, source: str, name: str, metadata: Mapping[str, Any], several_rows: str | None = None) -> None:
        """Make the empty collection ``name`` with the configuration and payload indexes of ``source``.

        :param metadata: what is put under our key beside the source's metadata.
        :param several_rows: the dense vector that becomes a multivector; None: none does.
        :raises StoreError: if it exists.
        """
        client, info = self.client(), self.info(source)
        if info is None:
            raise MissingCollectionError(f"There is no collection {source!r} to copy")
        arguments = creation_arguments(info)
        if several_rows is not None:
            arguments["vectors_config"] = with_several_rows(info, source, several_rows)
        arguments["metadata"] = {**(info.config.metadata or {}), KEY: dict(metadata)}
        tries = 0

        def make() -> None:
            nonlocal tries
            tries += 1
            client.create_collection(name, **arguments)

        try:
            self.calls(name)("create the collection", make)
        except ExistingCollectionError:
            made = self.shape(name)
            # after a lost answer the second try meets what the first one made
            if tries == 1 or made is None or made.metadata.get(KEY) != dict(metadata):
                raise
        self.copy_indexes(source, name)

    def write_metadata(self, name: str, metadata: Mapping[str, Any]) -> None:
        """Replace what is under our key in the metadata of a collection; that of others stays."""
        client, own = self.client(), {KEY: dict(metadata)}
        self.calls(name)("write metadata", lambda: client.update_collection(name, metadata=own))

    def restore_indexing(self, name: str) -> None:
        """Turn on the index of a collection where an older version left it off."""
        info = self.info(name)
        if info is not None:
            restore_indexing(self.client(), name, self.calls(name), info)

    def copy_indexes(self, source: str, name: str) -> None:
        """Make those payload indexes of ``source`` in ``name`` that it lacks."""
        client, wanted, made = self.client(), self.info(source), self.info(name)
        have = {} if made is None else made.payload_schema
        for field, index in ({} if wanted is None else wanted.payload_schema).items():
            if field not in have:
                make = partial(client.create_payload_index, name, field, index_schema(index), wait=True)
                self._update(name, f"index {field!r}", make)

    def aliases(self) -> dict[str, str]:
        """The collection of each alias."""
        client = self.client()
        found = self.calls("*")("read the aliases", client.get_aliases)
        return {alias.alias_name: alias.collection_name for alias in found.aliases}

    def point_alias(self, alias: str, name: str) -> None:
        """Make ``alias`` name this collection, from one moment to the next for all readers."""
        client = self.client()
        create = models.CreateAlias(collection_name=name, alias_name=alias)
        changes: list[models.AliasOperations] = [models.CreateAliasOperation(create_alias=create)]
        if alias in self.aliases():
            delete = models.DeleteAlias(alias_name=alias)
            changes.insert(0, models.DeleteAliasOperation(delete_alias=delete))
        self.calls(name)(f"move the alias {alias!r}", lambda: client.update_collection_aliases(changes))

    def _update(self, name: str, asked: str, operation: Callable[[], models.UpdateResult]) -> None:
        self.calls(name)(asked, lambda: check_done(operation()))


Pages = Iterator[list[ForeignPoint]]


def _is_point_id(key: Identity) -> bool:
    try:
        return isinstance(key, int) or bool(uuid.UUID(key))
    except ValueError:
        return False


def require_shape(server: ForeignServer, name: str) -> Shape:
    """The shape of a collection that must be there.

    :raises StoreError: if it is not.
    """
    shape = server.shape(name)
    if shape is None:
        raise StoreError(f"There is no collection {name!r} on this server", "", "Check --store and --collection")
    return shape


def _shape(vector: models.VectorParams) -> VectorShape:
    datatype = "float32" if vector.datatype is None else vector.datatype.value
    return VectorShape(vector.size, vector.distance.value.lower(), datatype, vector.multivector_config is not None)
