"""A Qdrant server: its collections and aliases, over REST or gRPC."""

from __future__ import annotations

import logging
import math
import re
import threading
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any
from urllib.parse import urlsplit

from qdrant_client import QdrantClient, models

from xqg.addresses import is_loopback, proxy_note, server_address
from xqg.errors import SettingsError, StoreError
from xqg.settings import StoreSettings
from xqg.stores.collection_config import Shape, index_schema, read_shape
from xqg.stores.payload import KEY, PointId
from xqg.stores.server_calls import ExistingCollectionError, MissingCollectionError, ServerCalls, check_done
from xqg.stores.server_requests import Limits, Row, in_parts, meets_own, read_limits, split_rows

logger = logging.getLogger(__name__)

OLDEST_VERSION = (1, 16)
"""The first Qdrant that keeps metadata of a collection."""


class Server:
    """The collections and aliases of one server of version 1.16 or newer, through one client that threads may share.

    A name may be an alias wherever a collection is read. Nothing is sent before the first call.

    :param sleep: replaces `time.sleep` between tries, for tests.
    :raises SettingsError: if the API key cannot be one.
    """

    def __init__(self, settings: StoreSettings, sleep: Callable[[float], None] | None = None) -> None:
        secret = "" if settings.api_key is None else settings.api_key.get_secret_value()
        if secret and not re.fullmatch(r"[!-~]+", secret):
            # the key travels in a header, whose own errors would quote it
            raise SettingsError("The API key has blanks or other signs that no key has", "", "Correct QDRANT_API_KEY")
        self._settings = settings
        self._secret = secret or None  # an empty QDRANT_API_KEY is how containers say "none"
        self._address = address = server_address(settings.spec)
        shown = f"grpc://{urlsplit(address).netloc.rpartition(':')[0]}:{settings.grpc_port}"
        self.call = ServerCalls(shown if settings.grpc else address, self._secret, sleep, proxy_note(address))
        self._opened: QdrantClient | None = None
        self._opening = threading.Lock()
        self._known: dict[str, models.CollectionInfo] = {}

    def client(self) -> QdrantClient:
        """The client, connected.

        :raises StoreUnreachableError: if the server does not answer. :raises StoreError: if it is too old.
        """
        with self._opening:
            if self._opened is None:
                self._opened = self._open()
            return self._opened

    def close(self) -> None:
        """Release the connections; calling it twice does nothing."""
        with self._opening:
            opened, self._opened = self._opened, None
        self._known.clear()
        if opened is not None:
            opened.close()

    def look(self, name: str) -> models.CollectionInfo:
        """The collection as it is now. :raises MissingCollectionError: if there is none."""
        client = self.client()
        self._known[name] = self.call(name, "read the collection", lambda: client.get_collection(name))
        return self._known[name]

    def known(self, name: str) -> models.CollectionInfo:
        """The collection as it was when it was last read."""
        return self._known[name] if name in self._known else self.look(name)

    def limits(self, name: str) -> Limits:
        """How much one request to the collection may ask for."""
        return read_limits(self.known(name))

    def shape(self, name: str) -> Shape | None:
        """The vectors and metadata of the collection; None if there is none."""
        try:
            return read_shape(self.look(name))
        except MissingCollectionError:
            return None

    def count(self, name: str) -> int:
        """How many points the collection has; exact, unless strict mode forbids that."""
        client = self.client()
        if not self.limits(name).exact:
            return self.known(name).points_count or 0
        return self.call(name, "count the points", lambda: client.count(name, exact=True)).count

    def pages(
        self,
        name: str,
        with_payload: bool | list[str] = True,
        with_vectors: bool = True,
        condition: models.Filter | None = None,
    ) -> Iterator[list[models.Record]]:
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
            records, offset = self.call(name, "read points", scroll)
            yield records
            if offset is None:
                return

    def retrieve(
        self, name: str, ids: Sequence[Any], with_payload: bool | list[str] = True, with_vectors: bool = False
    ) -> dict[Any, models.Record]:
        """Those of the points that are there, by id; what no point can have as its id is not asked for."""
        client, ids = self.client(), [key for key in ids if _is_point_id(key)]

        def read(part: list[Any]) -> list[models.Record]:
            retrieve = partial(client.retrieve, name, part, with_payload=with_payload, with_vectors=with_vectors)
            return self.call(name, "read points", retrieve)

        parts = in_parts(ids, self.limits(name).lookups, read) if ids else ()
        return {record.id: record for records in parts for record in records}

    def upsert(self, name: str, rows: Sequence[Row]) -> None:
        """Store points, idempotent by id; returns when they are applied.

        A point that is there and does not meet the conditions of its `Row` stays as it is.
        """
        client, at_once = self.client(), self.limits(name).writes

        def send(part: list[Row]) -> None:
            conditional = {row.point.id: row.conditions for row in part if row.conditions is not None}
            met = meets_own(conditional) if conditional else None
            points = [row.point for row in part]
            self._update(name, "store points", partial(client.upsert, name, points, update_filter=met, wait=True))

        for part in split_rows(rows, self._settings.max_request_bytes, at_once):
            for _ in in_parts(part, at_once, send):
                pass

    def delete(
        self, name: str, ids: Sequence[PointId], condition: Callable[[list[PointId]], models.Filter] | None = None
    ) -> None:
        """Delete those of the points that meet ``condition``, which is made for some ids at a time; None: all."""
        if not ids:
            return
        client, limits = self.client(), self.limits(name)

        def send(part: list[PointId]) -> None:
            every = models.PointIdsList(points=list(part))
            selector = every if condition is None else models.FilterSelector(filter=condition(part))
            self._update(name, "delete points", partial(client.delete, name, selector, wait=True))

        for _ in in_parts(ids, limits.writes if condition is None else limits.ids, send):
            pass

    def create(self, name: str, metadata: Mapping[str, Any], arguments: Mapping[str, Any]) -> None:
        """Make an empty collection.

        :param metadata: what is put under our key in its metadata. :param arguments: of the client's call.
        :raises ExistingCollectionError: if there is one already.
        """
        client, tries = self.client(), 0
        told = {**(arguments.get("metadata") or {}), KEY: dict(metadata)}

        def make() -> None:
            nonlocal tries
            tries += 1
            client.create_collection(name, **{**arguments, "metadata": told})

        try:
            self.call(name, "create the collection", make)
        except ExistingCollectionError:
            # after a lost answer the second try meets what the first one made
            made = self.shape(name)
            if tries == 1 or made is None or made.own != metadata:
                raise

    def write_metadata(self, name: str, metadata: Mapping[str, Any]) -> None:
        """Replace what is under our key in the metadata; that of others stays (the server merges by key)."""
        client, own = self.client(), {KEY: dict(metadata)}
        self.call(name, "write metadata", lambda: client.update_collection(name, metadata=own))

    def copy_indexes(self, source: str, name: str) -> None:
        """Make those payload indexes of ``source`` in ``name`` that it lacks."""
        client, have = self.client(), self.look(name).payload_schema or {}
        for field, index in (self.look(source).payload_schema or {}).items():
            if field not in have:
                make = partial(client.create_payload_index, name, field, index_schema(index), wait=True)
                self._update(name, f"index {field!r}", make)

    def aliases(self) -> dict[str, str]:
        """The collection of each alias."""
        found = self.call("*", "read the aliases", self.client().get_aliases)
        return {alias.alias_name: alias.collection_name for alias in found.aliases}

    def point_alias(self, alias: str, name: str) -> None:
        """Make ``alias`` name this collection, in one step for all readers."""
        client = self.client()
        create = models.CreateAlias(collection_name=name, alias_name=alias)
        changes: list[models.AliasOperations] = [models.CreateAliasOperation(create_alias=create)]
        if alias in self.aliases():
            delete = models.DeleteAlias(alias_name=alias)
            changes.insert(0, models.DeleteAliasOperation(delete_alias=delete))
        self.call(name, f"move the alias {alias!r}", lambda: client.update_collection_aliases(changes))

    def _update(self, name: str, task: str, operation: Callable[[], models.UpdateResult]) -> None:
        self.call(name, task, lambda: check_done(operation()))

    def _open(self) -> QdrantClient:
        settings, server = self._settings, self.call.server
        address = urlsplit(self._address)
        if self._secret and address.scheme == "http" and not is_loopback(address.hostname or ""):
            _warn_of_open_key(server)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Api key is used with an insecure connection")  # warned of above
            client = QdrantClient(
                url=self._address,
                grpc_port=settings.grpc_port,
                prefer_grpc=settings.grpc,
                api_key=self._secret,
                timeout=math.ceil(settings.timeout_seconds),
                check_compatibility=False,
            )
        try:
            version = self.call(settings.collection, "read the server's version", client.info).version
        except MissingCollectionError:
            found = f"There is no Qdrant server at {server}{self.call.proxy}"
            raise StoreError(found, remedy="Check the address") from None
        numbers = re.match(r"(\d+)\.(\d+)", version)
        if numbers is not None and (int(numbers[1]), int(numbers[2])) < OLDEST_VERSION:
            client.close()
            raise StoreError(
                f"The Qdrant server is version {version}",
                "1.16 or newer, which keeps metadata in a collection",
                "Update the server",
            )
        return client


def require_shape(server: Server, name: str) -> Shape:
    """The shape of a collection that must be there. :raises StoreError: if it is not."""
    shape = server.shape(name)
    if shape is None:
        raise StoreError(f"There is no collection {name!r} on this server", "", "Check --store and --collection")
    return shape


@lru_cache
def _warn_of_open_key(server: str) -> None:
    """Once a process, however many connections it opens."""
    logger.warning("The API key travels to %s unencrypted: give the server TLS and an https address", server)


def _is_point_id(key: PointId) -> bool:
    try:
        return 0 <= key < 2**64 if isinstance(key, int) else bool(uuid.UUID(key))
    except ValueError:
        return False
