"""What a collection's strict mode allows in one request; Qdrant Cloud and careful operators set it.

A collection declares its limits, so requests keep to them. Where a server still refuses one as too large, because its
limits were changed meanwhile, the request is halved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from qdrant_client import models

from xqg.stores.server_calls import TooMuchAtOnceError

Item = TypeVar("Item")
Result = TypeVar("Result")

POINTS_AT_ONCE = 256
"""Points written or read with one request (Qdrant's own advice is 64 to 256)."""

QUERIES_AT_ONCE = 64
"""Queries searched with one request."""


@dataclass(frozen=True)
class Limits:
    """How much one request may ask for.

    ``page``: points of one page of a scroll. ``lookups``: points read by id. ``writes``: points stored or deleted.
    ``searches``: queries of one batch. ``hits``: hits of one query; None sets no bound.
    ``ids``: point ids in a filter. ``exact``: whether exact searches and counts are allowed.
    ``indexes``: payload indexes of the collection; None sets no bound.
    """

    page: int
    lookups: int
    writes: int
    searches: int
    hits: int | None
    ids: int
    exact: bool
    indexes: int | None


def read_limits(info: models.CollectionInfo) -> Limits:
    """The limits that a collection declares."""
    strict = info.config.strict_mode_config
    if strict is None or not strict.enabled:
        strict = models.StrictModeConfigOutput()
    # rate limits are tokens a minute: reading by id costs one a point, a search one a query, a write one a point
    return Limits(
        page=_least(POINTS_AT_ONCE, strict.max_query_limit),
        lookups=_least(POINTS_AT_ONCE, strict.read_rate_limit),
        writes=_least(POINTS_AT_ONCE, strict.upsert_max_batchsize, strict.write_rate_limit),
        searches=_least(QUERIES_AT_ONCE, strict.search_max_batchsize, strict.read_rate_limit),
        hits=strict.max_query_limit,
        ids=_least(POINTS_AT_ONCE, strict.condition_max_size, strict.write_rate_limit),
        exact=strict.search_allow_exact is not False,
        indexes=strict.max_payload_index_count,
    )


def in_parts(items: Sequence[Item], at_once: int, call: Callable[[list[Item]], Result]) -> Iterator[Result]:
    """What ``call`` makes of ``items``, in their order, at most ``at_once`` a call; what is refused is halved.

    :raises StoreError: as ``call`` does; that one item is too much only where it is alone.
    """
    waiting = [list(items[start : start + at_once]) for start in range(0, len(items), at_once)][::-1]
    while waiting:
        part = waiting.pop()
        try:
            result = call(part)
        except TooMuchAtOnceError:
            if len(part) == 1:
                raise
            half = len(part) // 2
            waiting += [part[half:], part[:half]]
            continue
        yield result


def _least(*limits: int | None) -> int:
    return max(1, min(limit for limit in limits if limit is not None))
