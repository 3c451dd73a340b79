"""Making a server's collection ready for a run: one that somebody made for us, empty and with a configuration of their
own (shards, quantisation), is taken; and fields get payload indexes, with which filters are fast, and without which
strict mode allows none.

Metadata are replaced, never compared, so two runs could both take it. A point can be inserted only where there is none:
the first run's point is the claim, and goes once the metadata say whose the collection is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from qdrant_client import models

from xqg.errors import StoreError, StoreUnreachableError
from xqg.records import digest, point_id
from xqg.stores.filters import read_date
from xqg.stores.payload import KEY
from xqg.stores.server import Server
from xqg.stores.server_calls import ExistingCollectionError, check_done
from xqg.stores.server_requests import index_types, read_limits

CLAIM = point_id("claim of the collection")


def claim(server: Server, name: str, metadata: Mapping[str, Any]) -> None:
    """Make ``metadata`` those of an empty collection without any of ours.

    :raises ExistingCollectionError: if another run has just made it its own.
    :raises StoreError: if another run with other metadata is about to.
    """
    client, mine = server.client(), digest(metadata)
    point = models.PointStruct(id=CLAIM, vector={}, payload={KEY: {"claim": mine}})
    unclaimed = models.Filter(must=[models.IsEmptyCondition(is_empty=models.PayloadField(key=KEY))])
    server.call(name, "claim it", lambda: check_done(client.upsert(name, [point], update_filter=unclaimed, wait=True)))
    if claimed_by(server, name) not in (None, mine):
        raise StoreError(
            f"Another run with other settings is just making {name!r} its own",
            "an empty collection without a claim",
            "Run again when it is done; if it was killed, make the collection anew",
        )
    try:
        if KEY in (server.look(name).config.metadata or {}):
            raise ExistingCollectionError(f"Another run has just made {name!r} its own")
        server.write_metadata(name, metadata)
    finally:
        server.delete(name, [CLAIM])


def claimed_by(server: Server, name: str) -> str | None:
    """Whose claim there is, as a digest of their metadata; None without one."""
    found = server.retrieve(name, [CLAIM]).get(CLAIM)
    return None if found is None else str(((found.payload or {}).get(KEY) or {}).get("claim"))


logger = logging.getLogger(__name__)

MOST_OFFERED = 16
"""Metadata keys that get an index without a request, in the order in which they appear."""

LONGEST_VALUE = 256
"""Characters of a text beyond which nobody filters for the whole of it."""

_TYPES = {bool: "bool", int: "float", float: "float"}
"""An index of integers would hide a 3.5 that comes after a 3; one of floats has both."""


class PayloadIndexes:
    """Makes indexes that the collection ``name``, as ``info`` describes it, lacks."""

    def __init__(self, server: Server, name: str, info: models.CollectionInfo) -> None:
        self._server, self._name = server, name
        self._have, self._most, self._offered = index_types(info), read_limits(info).indexes, 0

    def make(self, path: str, kind: str) -> None:
        """Index a path on request.

        :raises StoreError: if it has an index of another type, or strict mode allows no more.
        """
        before = self._have.get(path)
        if before == kind:
            return
        if before is not None:
            raise StoreError(
                f"{path!r} in {self._name!r} has an index of type {before}",
                f"type {kind}",
                f"Give --index with {before}, or delete that index first",
            )
        if self._is_full():
            raise StoreError(
                f"The strict mode of {self._name!r} allows {self._most} payload indexes, and it has them: "
                f"{', '.join(sorted(self._have))}",
                f"room for one on {path!r}",
                "Raise max_payload_index_count in its strict_mode_config, or delete one of them",
            )
        self._create(path, kind)

    def offer(self, fields: Iterable[tuple[str, str]]) -> None:
        """Index these paths, each with its type, where there is room and nothing is in the way."""
        for path, kind in fields:
            if path in self._have or self._is_full():
                continue
            try:
                self._create(path, kind)
            except StoreUnreachableError:
                raise
            except StoreError as error:
                self._have[path] = ""  # not tried again
                logger.warning("%s gets no index: %s", path, error)

    def offer_metadata(self, metadata: Iterable[Mapping[str, Any]], path: Callable[[str], str]) -> None:
        """Offer an index for each metadata key with a value that filters can ask for, up to `MOST_OFFERED`."""
        for values in metadata:
            for key, value in values.items():
                kind = value_type(value)
                if kind is not None and self._offered < MOST_OFFERED and '"' not in key and key:
                    self._offered += path(key) not in self._have
                    self.offer([(path(key), kind)])

    def _is_full(self) -> bool:
        return self._most is not None and len(self._have) >= self._most

    def _create(self, path: str, kind: str) -> None:
        schema = models.PayloadSchemaType(kind)
        client = self._server.client()
        make = partial(client.create_payload_index, self._name, path, schema, wait=True)
        self._server.call(self._name, f"index {path!r}", lambda: check_done(make()))
        self._have[path] = kind


def value_type(value: Any) -> str | None:
    """The type of index for a metadata value, of a list for its items; None where filters do not ask for such."""
    if isinstance(value, list):
        kinds = {value_type(item) for item in value if not isinstance(item, list)}
        return kinds.pop() if len(kinds) == 1 else None
    if isinstance(value, str):
        return "datetime" if read_date(value) else "keyword" if len(value) <= LONGEST_VALUE else None
    return _TYPES.get(type(value))


def parse_index(text: str) -> tuple[str, str]:
    """``KEY:TYPE``, as settings have checked it, as key and type."""
    key, _, kind = text.rpartition(":")
    return key, kind
