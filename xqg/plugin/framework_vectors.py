"""Vectors as frameworks hand them over and want them back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from xqg.errors import EncodingError
from xqg.fusion.arrays import unit_rows
from xqg.records import Vectors


def require_vectors(vectors: Sequence[Any], what: str) -> list[Any]:
    """``vectors`` as they are. :param what: they belong to, in the plural.

    :raises EncodingError: if one is None, since no model has made it yet.
    """
    missing = sum(vector is None for vector in vectors)
    if missing:
        raise EncodingError(
            f"{missing} of {len(vectors)} {what} have no embedding",
            f"{what} that the embedding model has seen",
            "Put PassageAugmenter after the embedding model",
        )
    return list(vectors)


def to_lists(vectors: Vectors) -> list[list[float]]:
    """The vectors as frameworks want them."""
    numbers: list[list[float]] = vectors.tolist()
    return numbers


def to_unit_rows(vectors: Vectors) -> Vectors:
    """Each row at length 1, as float32."""
    return unit_rows(vectors.astype(np.float64)).astype(np.float32)


def to_matrix(vectors: Any, rows: int, what: str, dimension: int | None = None) -> Vectors:
    """``vectors`` as float32 of shape (rows, dimension); without rows, they may be [].

    :raises EncodingError: if they have another shape.
    """
    if rows == 0 and len(vectors) == 0:
        return np.empty((0, dimension or 0), dtype=np.float32)
    try:
        matrix = np.asarray(vectors, dtype=np.float32)
    except ValueError as error:
        raise EncodingError(f"The {what} vectors differ in length", "vectors of one length") from error
    if matrix.ndim != 2 or len(matrix) != rows or matrix.shape[1] != (dimension or matrix.shape[1]):
        asked = f"({rows}, {'dimension' if dimension is None else dimension})"
        raise EncodingError(f"The embedding model's {what} vectors have shape {matrix.shape}", f"shape {asked}")
    return matrix
