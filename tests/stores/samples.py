"""Hand-made points: four passages on the axes of a space of four dimensions, and in several scripts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from xqg.protocols import Point
from xqg.records import LedgerEntry, Passage, Vectors, content_hash, record_hash

METADATA = {"encoder": {"name": "axes", "alpha": 0.2}, "generator": None, "languages": ["fr", "ja"], "版": "✓"}


def without_sleep(seconds: float) -> None:
    """Stands in for `time.sleep`."""


def array(*numbers: float) -> Vectors:
    return np.array(numbers, dtype=np.float32)


def make_point(
    passage_id: str,
    vector: Vectors | None = None,
    queries: Mapping[str, tuple[str, ...]] | None = None,
    metadata: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Point:
    """A point with its hashes; its text says its id unless ``fields`` give another."""
    passage = Passage(
        id=passage_id, **{"text": f"text of {passage_id}", "document_id": passage_id, **fields}, metadata=metadata or {}
    )
    entry = LedgerEntry(
        record_hash=record_hash(passage),
        content_hash=content_hash(passage),
        generation="g1",
        fingerprint="f1",
        queries={"fr": (f"question {passage_id} ?",)} if queries is None else queries,
    )
    return Point(passage, entry, array(1, 0, 0, 0) if vector is None else vector)
