"""The conditions under which points of an augmented collection are read, replaced or deleted, in the client's types.

A conditional upsert (Qdrant 1.16 and newer) leaves alone those of its points that exist and do not match the filter,
and inserts those that do not exist, whatever the filter says; both are decided when it is applied. So nothing is lost
that others wrote after it was read. Strict mode wants indexes for the fields of a deletion's filter, but not for
whether a field is empty, and not for those of an upsert's filter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qdrant_client import models

from xqg.layouts import DOCUMENT_HASH, PLAIN_VECTOR, Layout


def any_of(conditions: Mapping[Any, Sequence[models.Condition]]) -> models.Filter:
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
