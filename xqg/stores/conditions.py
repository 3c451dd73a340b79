"""The conditions under which points of an augmented collection are read, replaced or deleted, in the client's types.

A conditional upsert (Qdrant 1.16 and newer) leaves alone those of its points that exist and do not match the filter,
and inserts those that do not exist, whatever the filter says; both are decided when it is applied. So nothing is lost
that others wrote after it was read. Strict mode wants indexes for the fields of a deletion's filter, but not for
whether a field is empty, and not for those of an upsert's filter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from qdrant_client import models

PLAIN_VECTOR = "plain_vector"
"""Under our key of a point that others wrote into the collection and we augmented in place: the vector it came with."""


def any_of(conditions: Iterable[tuple[Any, Sequence[models.Condition]]]) -> models.Filter:
    """That a point meets the conditions given for its id. :param conditions: of one id or more."""
    return models.Filter(
        should=[models.Filter(must=[models.HasIdCondition(has_id=[key]), *asked]) for key, asked in conditions]
    )


def unchanged(own_path: str, hashes: Sequence[str]) -> list[models.Condition]:
    """That our key is there, with one of these document hashes. :param own_path: payload path of our key."""
    match = models.MatchAny(any=list(dict.fromkeys(hashes)))
    return [models.FieldCondition(key=f"{own_path}.document_hash", match=match)]


def still_plain(own_path: str, text_path: str, text: str) -> list[models.Condition]:
    """That our key is not there and the text is the one that was read."""
    return [_is_empty(own_path), models.FieldCondition(key=text_path, match=models.MatchValue(value=text))]


def copied(own_path: str, ids: Sequence[int | str] | None = None) -> models.Filter:
    """The points that came from the source. :param ids: only these; None: all."""
    some: list[models.Condition] = [] if ids is None else [models.HasIdCondition(has_id=list(ids))]
    return models.Filter(must=[*some, _is_empty(f"{own_path}.{PLAIN_VECTOR}")], must_not=[_is_empty(own_path)])


def of_others(own_path: str) -> models.Filter:
    """The points that others wrote, with our key or without."""
    augmented = models.Filter(must_not=[_is_empty(f"{own_path}.{PLAIN_VECTOR}")])
    return models.Filter(should=[_is_empty(own_path), augmented])


def _is_empty(path: str) -> models.Condition:
    return models.IsEmptyCondition(is_empty=models.PayloadField(key=path))
