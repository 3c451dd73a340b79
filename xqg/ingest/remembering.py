"""An encoder that remembers: what the calibration encodes is met again by the run that follows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from xqg.ingest.wrapping import WrappedEncoder
from xqg.protocols import Encoder
from xqg.records import Passage, Vectors, content_hash

Item = TypeVar("Item")


class RememberingEncoder(WrappedEncoder):
    """Keeps the vectors of what it has encoded, up to ``capacity`` of them, in memory; the same vectors otherwise.

    4 bytes a number: 20,000 vectors of 384 numbers take 31 MB.
    """

    def __init__(self, inner: Encoder, capacity: int = 20_000) -> None:
        super().__init__(inner)
        self._capacity = capacity
        self._known: dict[str, Vectors] = {}

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """As the encoder does; shape (len(texts), dimension)."""
        return self._encode([f"query {text}" for text in texts], texts, self._inner.encode_queries)

    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        """As the encoder does; shape (len(passages), dimension)."""
        keys = [f"passage {content_hash(passage)}" for passage in passages]
        return self._encode(keys, passages, self._inner.encode_passages)

    def _encode(
        self, keys: Sequence[str], items: Sequence[Item], encode: Callable[[Sequence[Item]], Vectors]
    ) -> Vectors:
        vectors: Vectors = np.empty((len(items), self.dimension), dtype=np.float32)
        unknown = [row for row, key in enumerate(keys) if key not in self._known]
        if unknown:
            vectors[unknown] = encode([items[row] for row in unknown])
        fresh = set(unknown)
        for row, key in enumerate(keys):
            if row not in fresh:
                vectors[row] = self._known[key]
            elif len(self._known) < self._capacity:
                self._known[key] = vectors[row].copy()
        return vectors
