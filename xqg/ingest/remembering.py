"""An encoder that remembers: what the calibration encodes is met again by the run that follows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from xqg.protocols import Encoder
from xqg.records import Passage, Vectors, content_hash

Item = TypeVar("Item")


class RememberingEncoder:
    """Keeps the vectors of what it has encoded, up to ``capacity`` of them, in memory; the same vectors otherwise.

    4 bytes a number: 20,000 vectors of 384 numbers take 31 MB.
    """

    def __init__(self, encoder: Encoder, capacity: int = 20_000) -> None:
        self._encoder, self._capacity = encoder, capacity
        self._known: dict[str, Vectors] = {}

    @property
    def identity(self) -> Mapping[str, Any]:
        """That of the encoder."""
        return self._encoder.identity

    @property
    def dimension(self) -> int:
        """That of the encoder."""
        return self._encoder.dimension

    @property
    def distance(self) -> str:
        """That of the encoder."""
        return self._encoder.distance

    def check(self) -> None:
        """As the encoder does."""
        self._encoder.check()

    def count_tokens(self, text: str) -> int:
        """As the encoder does."""
        return self._encoder.count_tokens(text)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """As the encoder does; shape (len(texts), dimension)."""
        return self._encode([f"query {text}" for text in texts], texts, self._encoder.encode_queries)

    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        """As the encoder does; shape (len(passages), dimension)."""
        keys = [f"passage {content_hash(passage)}" for passage in passages]
        return self._encode(keys, passages, self._encoder.encode_passages)

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
