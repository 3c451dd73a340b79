"""Searching one vector of a server's collection, within its limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from qdrant_client import QdrantClient, models

from xqg.errors import StoreError
from xqg.records import FieldMatch, Vectors
from xqg.stores.filters import Paths, Test, check_fields, is_hopeless
from xqg.stores.limits import in_parts, read_limits
from xqg.stores.server_calls import FilterRefusedError, ServerCalls
from xqg.stores.server_requests import any_of, index_types, to_filter


@dataclass(frozen=True)
class ServerSearch:
    """Searches ``collection``. ``using``: the vector's name; "" is the unnamed one. ``look``: the
    collection as it was when it was looked at last, or (True) as it is now.
    """

    client: QdrantClient
    call: ServerCalls
    collection: str
    look: Callable[[bool], models.CollectionInfo]
    paths: Paths
    using: str = ""

    def __call__(
        self, vectors: Vectors, limit: int, filters: Sequence[FieldMatch], exact: bool
    ) -> list[list[models.ScoredPoint]]:
        """The nearest points of each query vector, best first, at most ``limit`` each.

        :raises StoreError: also where a filter's field is in no point, or has no index and needs one.
        """
        if is_hopeless(filters):
            return [[] for _ in vectors]
        info = self.look(False)
        try:
            found = self._search(vectors, limit, to_filter(filters, self.paths), exact, info)
        except FilterRefusedError:
            # the same field may be meant by several paths and kinds of value: ask for those alone that have an index
            condition = to_filter(filters, self.paths, index_types(self.look(True)))
            found = self._search(vectors, limit, condition, exact, info)
        if filters and not any(found):
            check_fields(filters, self.paths, self._exists)
        return found

    def _search(
        self, vectors: Vectors, limit: int, condition: models.Filter | None, exact: bool, info: models.CollectionInfo
    ) -> list[list[models.ScoredPoint]]:
        limits = read_limits(info)
        if exact and not limits.exact:
            raise StoreError(
                f"The strict mode of {self.collection!r} allows no exact search",
                "asked to look at every point",
                "Drop --exact, or set search_allow_exact in its strict_mode_config",
            )
        numbers: list[Any] = np.asarray(vectors, dtype=np.float32).tolist()
        page = limit if limits.hits is None else min(limit, limits.hits)
        rows: list[list[models.ScoredPoint]] = [[] for _ in numbers]
        for offset in range(0, limit, max(1, page)):

            def send(part: list[Any], offset: int = offset) -> list[models.QueryResponse]:
                asked = [
                    models.QueryRequest(
                        query=vector,
                        using=self.using or None,
                        limit=min(page, limit - offset),
                        offset=offset or None,
                        filter=condition,
                        params=models.SearchParams(exact=exact),
                        with_payload=True,
                    )
                    for vector in part
                ]
                return self.call("search", lambda: self.client.query_batch_points(self.collection, asked))

            answers = [answer.points for part in in_parts(numbers, limits.searches, send) for answer in part]
            rows = [_joined(row, points) for row, points in zip(rows, answers, strict=True)]
            if all(len(points) < page for points in answers):
                break
        return rows

    def _exists(self, tests: list[Test]) -> bool:
        """Whether a point passes one of ``tests``; taken for granted where strict mode does not say."""
        try:
            found, _ = self.call(
                "look for a field",
                lambda: self.client.scroll(
                    self.collection, scroll_filter=any_of(tests), limit=1, with_payload=False, with_vectors=False
                ),
            )
        except FilterRefusedError:
            return True
        return bool(found)


def _joined(row: list[models.ScoredPoint], following: list[models.ScoredPoint]) -> list[models.ScoredPoint]:
    """The next page after ``row``; an approximate search may show a point on both."""
    known = {point.id for point in row}
    return row + [point for point in following if point.id not in known]
