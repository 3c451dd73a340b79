"""What the embedded engine is given and what it raises: vectors and filters in its types, errors in ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xqg.errors import StoreError
from xqg.protocols import Point
from xqg.records import FieldMatch, point_id
from xqg.stores.edge_files import Sidecar, damaged, system_error
from xqg.stores.payload import (
    DEFAULT_VECTOR,
    DOCUMENT_HASH,
    DOCUMENT_ID,
    MULTIVECTOR_LINKS,
    as_vector,
    filter_key,
    to_payload,
    to_rows,
)

if TYPE_CHECKING:
    from qdrant_edge import EdgeConfig, Filter
    from qdrant_edge import Point as EnginePoint

OPENING = "open the collection"

LINK_CANDIDATES, FULL_SCAN_KILOBYTES = 100, 10_000
"""ef_construct and full_scan_threshold: Qdrant's defaults, which the binding wants named beside m."""


@contextmanager
def engine_errors(place: Path, asked: str) -> Iterator[None]:
    """Turn whatever the engine raises inside into `StoreError`: bare exceptions, and panics that derive from none.

    :param place: the folder of the collection. :param asked: what was asked of it, as a verb.
    """
    try:
        yield
    except StoreError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise _translated(place, error, asked) from error


def to_config(sidecar: Sidecar) -> EdgeConfig:
    """The engine's configuration for a new collection as ``sidecar`` describes it."""
    import qdrant_edge as engine

    distances = {"cosine": engine.Distance.Cosine, "dot": engine.Distance.Dot}
    options: dict[str, Any] = {}
    if sidecar.multivector:
        options = {
            "multivector_config": engine.MultiVectorConfig(engine.MultiVectorComparator.MaxSim),
            "datatype": engine.VectorStorageDatatype.Float16,
            "hnsw_config": engine.HnswIndexConfig(MULTIVECTOR_LINKS, LINK_CANDIDATES, FULL_SCAN_KILOBYTES),
        }
    vector = engine.EdgeVectorParams(size=sidecar.dimension, distance=distances[sidecar.distance], **options)
    return engine.EdgeConfig(vectors={DEFAULT_VECTOR: vector}, wal_enabled=True)


def to_engine_point(point: Point, sidecar: Sidecar) -> EnginePoint:
    """The engine's form of ``point``.

    :raises StoreError: if its rows do not fit the collection that ``sidecar`` describes.
    """
    import qdrant_edge as engine

    vector = as_vector(to_rows(point, sidecar.dimension, sidecar.multivector), sidecar.multivector)
    return engine.Point(id=point_id(point.passage.id), vector=vector, payload=to_payload(point))


def to_filter(filters: Sequence[FieldMatch]) -> Filter | None:
    """The engine's filter that all of ``filters`` must pass; None if there are none."""
    import qdrant_edge as engine

    if not filters:
        return None
    conditions: list[Any] = []
    for match in filters:
        # qdrant-edge-py 0.9 takes a bool for the integer 0 or 1, which equals no bool; numpy's it takes rightly
        values: list[Any] = [np.bool_(value) if isinstance(value, bool) else value for value in match.values]
        key = filter_key(match.key)
        equal: list[Any] = [engine.FieldCondition(key=key, match=engine.MatchValue(value)) for value in values]
        conditions.append(engine.Filter(should=equal))
    return engine.Filter(must=conditions)


def to_stale_filter(documents: Mapping[str, str]) -> Filter:
    """The engine's filter for chunks of these documents (id to hash) with another document hash.

    :param documents: not empty: a filter without conditions would match every point.
    """
    import qdrant_edge as engine

    stale: list[Any] = [
        engine.Filter(
            must=[engine.FieldCondition(key=DOCUMENT_ID, match=engine.MatchValue(document_id))],
            must_not=[engine.FieldCondition(key=DOCUMENT_HASH, match=engine.MatchValue(document_hash))],
        )
        for document_id, document_hash in documents.items()
    ]
    return engine.Filter(should=stale)


def _translated(place: Path, error: BaseException, asked: str) -> StoreError:
    text = str(error)
    if "WouldBlock" in text:
        return StoreError(
            f"The collection at {place} is open elsewhere",
            f"asked to {asked}",
            "Close the other process, or use a Qdrant server, which serves many",
        )
    refused = system_error(place, text, asked)
    if refused is not None:
        return refused
    if isinstance(error, OSError):
        return StoreError(f"{place} cannot be used: {text}", f"asked to {asked}")
    if asked == OPENING or not isinstance(error, Exception):
        return damaged(place, text)
    return StoreError(f"The engine failed on {place}: {text}", f"asked to {asked}")
