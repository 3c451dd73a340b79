"""What a Qdrant server is sent, in the client's types: filters and conditions, and points in parts that fit one
request and the collection's strict mode, which Qdrant Cloud and careful operators set.

A collection declares its limits, so requests keep to them. Where a server still refuses one as too large, because its
limits were changed meanwhile, the request is halved.

A conditional upsert (Qdrant 1.16 and newer) leaves alone those of its points that exist and do not match the filter,
and inserts those that do not exist, whatever the filter says; both are decided when it is applied. So nothing is lost
that others wrote after it was read. Strict mode wants indexes for the fields of a deletion's filter, but not for
whether a field is empty, and not for those of an upsert's filter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from qdrant_client import models

from xqg.errors import StoreError
from xqg.layouts import DOCUMENT_HASH, PLAIN_VECTOR, Layout, scalars
from xqg.records import FieldMatch
from xqg.stores.filters import Kind, Paths, Test, combine
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


ENVELOPE_BYTES, NUMBER_BYTES = 256, 25
"""What a request has around its points, and the most that one number of a vector takes, comma included."""


@dataclass(frozen=True)
class Row:
    """A point to store. ``payload_bytes``: the size of its payload as JSON.

    ``conditions``: what a point with its id must meet to be replaced; None: any point is.
    """

    point: models.PointStruct
    payload_bytes: int
    conditions: Sequence[models.Condition] | None = None

    @property
    def size(self) -> int:
        """The most bytes that the point takes in a request."""
        return self.payload_bytes + NUMBER_BYTES * _count_numbers(self.point.vector) + ENVELOPE_BYTES // 4


def split_rows(rows: Sequence[Row], limit: int, at_once: int) -> Iterator[list[Row]]:
    """The rows in parts of at most ``at_once`` points and ``limit`` bytes of JSON.

    :raises StoreError: if one point alone is larger.
    """
    part: list[Row] = []
    size = ENVELOPE_BYTES
    for row in rows:
        if row.size + ENVELOPE_BYTES > limit:
            raise StoreError(
                f"Passage {(row.point.payload or {}).get('id', row.point.id)!r} takes {row.size} bytes",
                f"at most {limit} bytes in one request",
                "Split its text into smaller chunks, or raise --max-request-bytes",
            )
        if part and (len(part) == at_once or size + row.size > limit):
            yield part
            part, size = [], ENVELOPE_BYTES
        part.append(row)
        size += row.size
    if part:
        yield part


def to_filter(
    filters: Sequence[FieldMatch], paths: Paths, schema: Mapping[str, str] | None = None
) -> models.Filter | None:
    """The client's filter that all of ``filters`` must pass (`combine`); None if there are none."""
    required, excluded = combine(filters, paths, any_of, schema)
    return models.Filter(must=required or None, must_not=excluded or None) if filters else None


def any_of(tests: Sequence[Test]) -> models.Filter:
    """The client's filter that one of ``tests`` must pass; without any, every point passes."""
    return models.Filter(should=[_condition(test) for test in tests] or None)


def index_types(info: models.CollectionInfo) -> dict[str, str]:
    """The type of each payload index by its path."""
    return {path: index.data_type.value for path, index in (info.payload_schema or {}).items()}


def meets_own(conditions: Mapping[Any, Sequence[models.Condition]]) -> models.Filter:
    """That a point meets the conditions given for its id. :param conditions: of one id or more."""
    return models.Filter(
        should=[models.Filter(must=[models.HasIdCondition(has_id=[key]), *own]) for key, own in conditions.items()]
    )


def unchanged(layout: Layout, hashes: Sequence[str]) -> list[models.Condition]:
    """That our key is there, with one of these document hashes."""
    match = models.MatchAny(any=list(dict.fromkeys(hashes)))
    return [models.FieldCondition(key=layout.own_field_path(DOCUMENT_HASH), match=match)]


def still_plain(layout: Layout, payload: Mapping[str, Any]) -> list[models.Condition]:
    """That our key is not there and what filters can match is that of ``payload``."""
    same = [models.FieldCondition(key=path, match=models.MatchValue(value=value)) for path, value in scalars(payload)]
    return [_is_empty(layout.own_path), *same]


def from_source(layout: Layout, ids: Sequence[int | str] | None = None) -> models.Filter:
    """The points that were copied from the source. :param ids: only these; None: all."""
    some: list[models.Condition] = [] if ids is None else [models.HasIdCondition(has_id=list(ids))]
    plain = _is_empty(layout.own_field_path(PLAIN_VECTOR))
    return models.Filter(must=[*some, plain], must_not=[_is_empty(layout.own_path)])


def of_others(layout: Layout) -> models.Filter:
    """The points that others wrote, with our key or without."""
    augmented = models.Filter(must_not=[_is_empty(layout.own_field_path(PLAIN_VECTOR))])
    return models.Filter(should=[_is_empty(layout.own_path), augmented])


def _is_empty(path: str) -> models.Condition:
    return models.IsEmptyCondition(is_empty=models.PayloadField(key=path))


def _condition(test: Test) -> models.Condition:
    if test.kind is Kind.PRESENT:
        return models.Filter(must_not=[_is_empty(test.path)])
    if test.kind is Kind.NUMBER:
        return models.FieldCondition(key=test.path, range=models.Range(**test.value))
    if test.kind is Kind.DATE:
        return models.FieldCondition(key=test.path, range=models.DatetimeRange(**test.value))
    return models.FieldCondition(key=test.path, match=models.MatchValue(value=test.value))


def _count_numbers(vectors: Any) -> int:
    if isinstance(vectors, Mapping):
        return sum(map(_count_numbers, vectors.values()))
    return 2 * len(vectors.values) if isinstance(vectors, models.SparseVector) else np.size(vectors)
