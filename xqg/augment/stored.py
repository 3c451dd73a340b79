"""The parts of an ingestion, made to work on points that are stored already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xqg.fusion.arrays import unit_rows
from xqg.protocols import Encoder, Generation, QueryGenerator
from xqg.records import Passage, Vectors
from xqg.stores.foreign_points import ForeignPassage


class StoredVectors:
    """An `Encoder` that takes the stored vectors for those of stored passages, and encodes all else with ``inner``.

    :param vector: name of the dense vector. :param distance: that of the source, "cosine" or "dot".
    """

    def __init__(self, inner: Encoder, vector: str, distance: str) -> None:
        self._inner, self._vector, self.distance = inner, vector, distance

    @property
    def identity(self) -> Mapping[str, Any]:
        """That of the encoder."""
        return self._inner.identity

    @property
    def dimension(self) -> int:
        """That of the encoder."""
        return self._inner.dimension

    def check(self) -> None:
        """As the encoder does."""
        self._inner.check()

    def count_tokens(self, text: str) -> int:
        """As the encoder does."""
        return self._inner.count_tokens(text)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Vectors of questions, shape (len(texts), dimension)."""
        return self._as_stored(self._inner.encode_queries(texts))

    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        """Their stored vectors, zeros for a point that has none; generated passages are encoded."""
        vectors = np.zeros((len(passages), self.dimension), dtype=np.float32)
        written = [row for row, passage in enumerate(passages) if not isinstance(passage, ForeignPassage)]
        if written:
            vectors[written] = self._as_stored(self._inner.encode_passages([passages[row] for row in written]))
        for row, passage in enumerate(passages):
            stored = stored_vector(passage, self._vector)
            if stored is not None:
                vectors[row] = stored
        return vectors

    def _as_stored(self, vectors: Vectors) -> Vectors:
        """At length 1 under cosine: so are the stored ones, which the server normalised."""
        return unit_rows(vectors.astype(np.float64)).astype(np.float32) if self.distance == "cosine" else vectors


class AugmentableOnly:
    """A `QueryGenerator` that writes nothing for points without text or without the vector, and asks ``inner`` else."""

    def __init__(self, inner: QueryGenerator, vector: str) -> None:
        self._inner, self._vector = inner, vector

    @property
    def identity(self) -> Mapping[str, Any]:
        """That of the generator."""
        return self._inner.identity

    @property
    def metered(self) -> bool:
        """Whether calls cost money."""
        return self._inner.metered

    def languages(self) -> tuple[str, ...]:
        """The target languages where none were named."""
        return self._inner.languages()

    def check(self) -> None:
        """Raise if the model cannot be loaded."""
        self._inner.check()

    def generate(self, requests: Sequence[tuple[Passage, Sequence[str]]]) -> Generation:
        """Queries for each passage that can be augmented."""
        sound = [request for request in requests if is_augmentable(request[0], self._vector)]
        return self._inner.generate(sound) if sound else Generation((), {})


def stored_vector(passage: Passage, name: str) -> Vectors | None:
    """The vector of the point that ``passage`` was read from, shape (dimension,); None where it has none."""
    origin = passage.origin if isinstance(passage, ForeignPassage) else None
    return None if origin is None else origin.vector(name)


def is_augmentable(passage: Passage, vector: str) -> bool:
    """Whether there is a text to take pieces from, and a vector to fuse them into."""
    return bool(passage.text.strip()) and stored_vector(passage, vector) is not None
