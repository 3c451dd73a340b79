"""An encoder for points that are stored already."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xqg.fusion.arrays import unit_rows
from xqg.protocols import Encoder
from xqg.records import Passage, Vectors
from xqg.stores.source_passages import SourcePassage


class StoredVectors:
    """An `Encoder` that takes the stored vectors for those of stored passages, and encodes all else with ``inner``.

    :param distance: that of the source, "cosine" or "dot".
    """

    def __init__(self, inner: Encoder, distance: str) -> None:
        self._inner, self.distance = inner, distance
        self.identity, self.dimension = inner.identity, inner.dimension
        self.check, self.count_tokens = inner.check, inner.count_tokens

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Vectors of questions, shape (len(texts), dimension)."""
        return self._as_stored(self._inner.encode_queries(texts))

    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        """Their stored vectors, zeros for a point that has none; generated passages are encoded."""
        vectors = np.zeros((len(passages), self.dimension), dtype=np.float32)
        generated = [row for row, passage in enumerate(passages) if not isinstance(passage, SourcePassage)]
        if generated:
            vectors[generated] = self._as_stored(self._inner.encode_passages([passages[row] for row in generated]))
        for row, passage in enumerate(passages):
            if isinstance(passage, SourcePassage) and passage.vector is not None:
                vectors[row] = passage.vector
        return vectors

    def _as_stored(self, vectors: Vectors) -> Vectors:
        """At length 1 under cosine: so are the stored ones, which the server normalised."""
        return unit_rows(vectors.astype(np.float64)).astype(np.float32) if self.distance == "cosine" else vectors
