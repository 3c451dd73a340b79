"""What a Qdrant server is sent, in the client's types: filters, and points in parts that fit one request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from qdrant_client import models

from xqg.errors import StoreError
from xqg.records import FieldMatch
from xqg.stores.filters import Kind, Paths, Test, combine

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


def _condition(test: Test) -> models.Condition:
    if test.kind is Kind.PRESENT:
        return models.Filter(must_not=[models.IsEmptyCondition(is_empty=models.PayloadField(key=test.path))])
    if test.kind is Kind.NUMBER:
        return models.FieldCondition(key=test.path, range=models.Range(**test.value))
    if test.kind is Kind.DATE:
        return models.FieldCondition(key=test.path, range=models.DatetimeRange(**test.value))
    return models.FieldCondition(key=test.path, match=models.MatchValue(value=test.value))


def _count_numbers(vectors: Any) -> int:
    if isinstance(vectors, Mapping):
        return sum(map(_count_numbers, vectors.values()))
    return 2 * len(vectors.values) if isinstance(vectors, models.SparseVector) else np.size(vectors)
