"""What the embedded engine is given and what it raises: vectors and filters in its types, errors in ours."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import qdrant_edge as engine

from xqg.errors import StoreError
from xqg.records import FieldMatch
from xqg.stores.edge_files import (
    SHARD,
    SHARD_DRAFT,
    Sidecar,
    damaged,
    has_room_for_a_copy,
    require_room,
    sync_folder,
    system_error,
    write_sidecar,
)
from xqg.stores.filters import Kind, Test, combine
from xqg.stores.payload import DEFAULT_VECTOR, DOCUMENT_ID, MULTIVECTOR_LINKS, OWN

logger = logging.getLogger(__name__)

OPENING = "open the collection"

LINK_CANDIDATES, FULL_SCAN_KILOBYTES = 100, 10_000
"""ef_construct and full_scan_threshold: Qdrant's defaults, which the binding wants named beside m."""


@contextmanager
def engine_errors(place: Path, task: str) -> Iterator[None]:
    """Turn whatever the engine raises inside into `StoreError`: bare exceptions, and panics that derive from none.

    :param place: the folder of the collection. :param task: what is done with it, as a verb.
    """
    try:
        yield
    except StoreError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise _translated(place, error, task) from error


def create_shard(place: Path, sidecar: Sidecar) -> None:
    """Make an empty collection at ``place``, beside it first, so that it is whole from the moment it is there."""
    require_room(place)
    draft = place / SHARD_DRAFT
    if draft.exists():
        shutil.rmtree(draft)
    shard = engine.EdgeShard.create(str(draft), to_config(sidecar))
    shard.update(engine.UpdateOperation.create_field_index(DOCUMENT_ID, engine.PayloadSchemaType.Keyword))
    shard.flush()
    shard.close()
    write_sidecar(place, sidecar)
    draft.rename(place / SHARD)
    sync_folder(place)
    sync_folder(place.parent)


def index_shard(shard: engine.EdgeShard, place: Path) -> None:
    """Build the index of what was stored; not where the disk has no room for a copy, which that needs meanwhile."""
    if not has_room_for_a_copy(place):
        logger.warning("The disk of %s has no room to index the collection: it is searched without", place)
        return
    with engine_errors(place, "index the collection"):
        shard.flush()
        shard.optimize()
        shard.flush()


def to_config(sidecar: Sidecar) -> engine.EdgeConfig:
    """The engine's configuration for a new collection as ``sidecar`` describes it."""
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


def to_filter(filters: Sequence[FieldMatch]) -> engine.Filter | None:
    """The engine's filter that all of ``filters`` must pass; None if there are none."""
    conditions: tuple[list[Any], list[Any]] = combine(filters, OWN.filter_paths, any_of)
    return engine.Filter(must=conditions[0] or None, must_not=conditions[1] or None) if filters else None


def any_of(tests: Sequence[Test]) -> engine.Filter:
    """The engine's filter that one of ``tests`` must pass; without any, every point passes."""
    conditions: list[Any] = [_condition(test) for test in tests]
    return engine.Filter(should=conditions or None)


def _condition(test: Test) -> Any:
    if test.kind is Kind.PRESENT:
        return engine.Filter(must_not=[engine.IsEmptyCondition(test.path)])
    if test.kind is Kind.NUMBER:
        return engine.FieldCondition(key=test.path, range=engine.RangeFloat(**test.value))
    if test.kind is Kind.DATE:
        return engine.FieldCondition(key=test.path, range=engine.RangeDateTime(**test.value))
    # qdrant-edge-py 0.9 takes a bool for the integer 0 or 1, which equals no bool; numpy's it takes rightly
    value: Any = np.bool_(test.value) if test.kind is Kind.TRUTH else test.value
    return engine.FieldCondition(key=test.path, match=engine.MatchValue(value))


def _translated(place: Path, error: BaseException, task: str) -> StoreError:
    text = str(error)
    if "WouldBlock" in text:
        return StoreError(
            f"The collection at {place} is open elsewhere",
            remedy="Close the other process, or use a Qdrant server, which serves many",
        )
    refused = system_error(place, text, task)
    if refused is not None:
        return refused
    if not isinstance(error, OSError) and (task == OPENING or not isinstance(error, Exception)):
        return damaged(place, text)
    return StoreError(f"The engine failed on {place}: {text}", f"to {task}")
