"""What a Qdrant server is asked, in the client's types: filters, and points in parts that fit one request."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from qdrant_client import models

from xqg.errors import StoreError
from xqg.protocols import Collection, Point
from xqg.records import FieldMatch, point_id
from xqg.stores.payload import DOCUMENT_HASH, DOCUMENT_ID, as_vector, filter_key, to_payload, to_rows

POINTS_AT_ONCE = 256
"""Points written or read with one request (Qdrant's own advice is 64 to 256)."""

DOCUMENTS_AT_ONCE = 256
"""Conditions of one deletion."""

ENVELOPE_BYTES = 256
"""What a request has around its points, generously."""


def split_points(points: Sequence[Point], collection: Collection, limit: int) -> Iterator[list[models.PointStruct]]:
    """The points in parts of at most `POINTS_AT_ONCE` points and ``limit`` bytes of JSON.

    :raises StoreError: if one point alone is larger, or cannot be stored in ``collection``.
    """
    yield from split_rows([_row(point, collection) for point in points], limit)  # all are checked before one is sent


def split_rows(
    rows: Iterable[tuple[int | str, Any, Mapping[str, Any]]], limit: int
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
        if part and (len(part) == POINTS_AT_ONCE or size + own_size > limit):
            yield part
            part, size = [], ENVELOPE_BYTES
        part.append(models.PointStruct(id=identity, vector=vector, payload=dict(payload)))
        size += own_size
    if part:
        yield part


def _row(point: Point, collection: Collection) -> tuple[str, Any, dict[str, Any]]:
    rows = to_rows(point, collection.dimension, collection.multivector)
    return point_id(point.passage.id), as_vector(rows, collection.multivector), to_payload(point)


def to_filter(filters: Sequence[FieldMatch], path: Callable[[str], str] = filter_key) -> models.Filter | None:
    """The client's filter that all of ``filters`` must pass; None if there are none.

    :param path: the payload path of a filter's key.
    """
    if not filters:
        return None
    # one condition for each value: Qdrant's "any of" takes no bools and no mixture of types
    return models.Filter(
        must=[models.Filter(should=[_equals(path(match.key), value) for value in match.values]) for match in filters]
    )


def to_stale_selectors(documents: Mapping[str, str]) -> Iterator[models.FilterSelector]:
    """Selectors of the chunks of these documents (id to hash) that have another document hash."""
    stale: list[models.Condition] = [
        models.Filter(must=[_equals(DOCUMENT_ID, document_id)], must_not=[_equals(DOCUMENT_HASH, document_hash)])
        for document_id, document_hash in documents.items()
    ]
    # never one without conditions: that would select every point
    for start in range(0, len(stale), DOCUMENTS_AT_ONCE):
        yield models.FilterSelector(filter=models.Filter(should=stale[start : start + DOCUMENTS_AT_ONCE]))


def _equals(key: str, value: str | int | bool) -> models.FieldCondition:
    return models.FieldCondition(key=key, match=models.MatchValue(value=value))


def _json_bytes(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8"))
