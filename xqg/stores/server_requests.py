"""What a Qdrant server is asked, in the client's types: filters, and points in parts that fit one request."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from qdrant_client import models

from xqg.errors import StoreError
from xqg.protocols import Collection, Point
from xqg.records import FieldMatch, point_id
from xqg.stores.filters import Kind, Paths, Test, indexed, tests_of
from xqg.stores.payload import as_vector, filter_paths, to_payload, to_rows

ENVELOPE_BYTES = 256
"""What a request has around its points, generously."""


def split_points(
    points: Sequence[Point], collection: Collection, limit: int, at_once: int
) -> Iterator[list[models.PointStruct]]:
    """The points in parts of at most ``at_once`` points and ``limit`` bytes of JSON.

    :raises StoreError: if one point alone is larger, or cannot be stored in ``collection``.
    """
    yield from split_rows(
        [_row(point, collection) for point in points], limit, at_once
    )  # all are checked before one is sent


def split_rows(
    rows: Iterable[tuple[int | str, Any, Mapping[str, Any]]], limit: int, at_once: int
) -> Iterator[list[models.PointStruct]]:
    """The same for rows of point id, vector (or vectors by name) and payload, all of JSON's types."""
    part: list[models.PointStruct] = []
    size = ENVELOPE_BYTES
    for identity, vector, payload in rows:
        own_size = _json_bytes({"id": identity, "vector": vector, "payload": payload}) + 1
        if own_size + ENVELOPE_BYTES > limit:
            raise StoreError(
                f"Passage {payload.get('id', identity)!r} takes {own_size} bytes",
                f"asked to send at most {limit} bytes at once",
                "Split its text into smaller chunks, or raise --max-request-bytes",
            )
        if part and (len(part) == at_once or size + own_size > limit):
            yield part
            part, size = [], ENVELOPE_BYTES
        part.append(models.PointStruct(id=identity, vector=vector, payload=dict(payload)))
        size += own_size
    if part:
        yield part


def _row(point: Point, collection: Collection) -> tuple[str, Any, dict[str, Any]]:
    rows = to_rows(point, collection.dimension, collection.multivector)
    return point_id(point.passage.id), as_vector(rows, collection.multivector), to_payload(point)


def to_filter(
    filters: Sequence[FieldMatch], paths: Paths = filter_paths, schema: Mapping[str, str] | None = None
) -> models.Filter | None:
    """The client's filter that all of ``filters`` must pass; None if there are none.

    :param paths: the payload paths of a filter's key.
    :param schema: the types of the payload indexes; given, only what they answer is asked. None: all is.
    :raises StoreError: if ``schema`` has no index that answers one of the filters.
    """
    if not filters:
        return None
    asked: list[models.Condition] = []
    excluded: list[models.Condition] = []
    for match in filter(lambda match: match.values, filters):
        tests = tests_of(match, paths)
        if schema is not None:
            tests = indexed(tests, schema) or _unindexed(match, tests)
        (excluded if match.operator == "!=" else asked).append(any_of(tests))
    return models.Filter(must=asked or None, must_not=excluded or None)


def any_of(tests: Sequence[Test]) -> models.Filter:
    """The client's filter that one of ``tests`` must pass; without any, every point passes."""
    return models.Filter(should=[_condition(test) for test in tests] or None)


def index_types(info: models.CollectionInfo) -> dict[str, str]:
    """The type of each payload index by its path."""
    return {path: index.data_type.value for path, index in (info.payload_schema or {}).items()}


def _unindexed(match: FieldMatch, tests: Sequence[Test]) -> list[Test]:
    kinds = sorted({test.kind.value[0] for test in tests})
    raise StoreError(
        f"The collection's strict mode filters by indexed fields only, and {match.key!r} has no index of type "
        f"{' or '.join(kinds)}",
        f"asked to filter by {match.key} {match.operator} {', '.join(map(str, match.values))}",
        f"Make one with `xqg ingest` or `xqg augment`: --index {match.key}:{kinds[0]}",
    )


def _condition(test: Test) -> models.Condition:
    if test.kind is Kind.PRESENT:
        return models.Filter(must_not=[models.IsEmptyCondition(is_empty=models.PayloadField(key=test.path))])
    if test.kind is Kind.NUMBER:
        return models.FieldCondition(key=test.path, range=models.Range(**test.value))
    if test.kind is Kind.DATE:
        return models.FieldCondition(key=test.path, range=models.DatetimeRange(**test.value))
    return models.FieldCondition(key=test.path, match=models.MatchValue(value=test.value))


def _json_bytes(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8"))
