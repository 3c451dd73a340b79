"""Searching one vector of a server's collection, within its limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from qdrant_client import models

from xqg.errors import StoreError
from xqg.layouts import Layout
from xqg.records import FieldMatch, Vectors
from xqg.stores.filters import Test, check_fields, is_hopeless
from xqg.stores.server import Server
from xqg.stores.server_calls import FilterRefusedError
from xqg.stores.server_requests import any_of, in_parts, index_types, to_filter

WRITTEN = ("queries", "translations")
"""Fields under our key that hits leave out: the longest ones, which only explanations need."""


@dataclass(frozen=True)
class ServerSearch:
    """Searches the collection ``name``. ``using``: the vector's name; "" is the unnamed one."""

    server: Server
    name: str
    layout: Layout
    using: str

    def __call__(
        self, vectors: Vectors, limit: int, filters: Sequence[FieldMatch], exact: bool
    ) -> list[list[models.ScoredPoint]]:
        """The nearest points of each query vector, best first, at most ``limit`` each.

        :raises StoreError: also where a filter's field is in no point, or has no index and needs one.
        """
        if is_hopeless(filters):
            return [[] for _ in vectors]
        paths = self.layout.filter_paths
        try:
            found = self._search(vectors, limit, to_filter(filters, paths), exact)
        except FilterRefusedError:
            # a field may have several paths and kinds of value: ask only for those that have an index
            condition = to_filter(filters, paths, index_types(self.server.look(self.name)))
            found = self._search(vectors, limit, condition, exact)
        if filters and not any(found):
            check_fields(filters, paths, self._exists)
        return found

    def _search(
        self, vectors: Vectors, limit: int, condition: models.Filter | None, exact: bool
    ) -> list[list[models.ScoredPoint]]:
        limits = self.server.limits(self.name)
        if exact and not limits.exact:
            raise StoreError(
                f"The strict mode of {self.name!r} allows no exact search",
                remedy="Drop --exact, or set search_allow_exact in its strict_mode_config",
            )
        client = self.server.client()
        written = models.PayloadSelectorExclude(exclude=[self.layout.own_field_path(name) for name in WRITTEN])
        numbers: list[Any] = np.asarray(vectors, dtype=np.float32).tolist()
        page = limit if limits.hits is None else min(limit, limits.hits)
        rows: list[list[models.ScoredPoint]] = [[] for _ in numbers]
        for offset in range(0, limit, max(1, page)):

            def send(part: list[Any], offset: int = offset) -> list[models.QueryResponse]:
                requests = [
                    models.QueryRequest(
                        query=vector,
                        using=self.using or None,
                        limit=min(page, limit - offset),
                        offset=offset or None,
                        filter=condition,
                        params=models.SearchParams(exact=exact),
                        with_payload=written,
                    )
                    for vector in part
                ]
                return self.server.call(self.name, "search", lambda: client.query_batch_points(self.name, requests))

            answers = [answer.points for part in in_parts(numbers, limits.searches, send) for answer in part]
            rows = [_joined(row, points) for row, points in zip(rows, answers, strict=True)]
            if all(len(points) < page for points in answers):
                break
        return rows

    def _exists(self, tests: list[Test]) -> bool:
        """Whether a point passes one of ``tests``; assumed where strict mode does not say."""
        try:
            return has_points(self.server, self.name, tests)
        except FilterRefusedError:
            return True


def has_points(server: Server, name: str, tests: Sequence[Test]) -> bool:
    """Whether a point of the collection passes one of ``tests``."""
    client, condition = server.client(), any_of(tests)
    records, _ = server.call(
        name,
        "look for a field",
        lambda: client.scroll(name, scroll_filter=condition, limit=1, with_payload=False, with_vectors=False),
    )
    return bool(records)


def _joined(row: list[models.ScoredPoint], following: list[models.ScoredPoint]) -> list[models.ScoredPoint]:
    """The next page after ``row``; an approximate search may show a point on both."""
    known = {point.id for point in row}
    return row + [point for point in following if point.id not in known]
