"""What a Qdrant server is sent, in the client's types: points in parts that fit one request, filters and conditions.

A conditional upsert (Qdrant 1.16 and newer) leaves alone those of its points that exist and do not match the filter,
and inserts those that do not exist, whatever the filter says; both are decided when it is applied. So nothing is lost
that others wrote after it was read. Strict mode wants indexes for the fields of a deletion's filter, but not for
whether a field is empty, and not for those of an upsert's filter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from qdrant_client import models

from xqg.errors import StoreError
from xqg.layouts import DOCUMENT_HASH, PLAIN_VECTOR, Layout
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
    """That our key is not there and the text is that of ``payload``."""
    path, text = layout.text_place(payload)
    return [_is_empty(layout.own_path), models.FieldCondition(key=path, match=models.MatchValue(value=text))]


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
