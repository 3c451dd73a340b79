"""What every formula of this room is made of: rows of length 1, and the refusal of what is not a number."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from xqg.errors import EncodingError
from xqg.records import Vectors

Doubles = npt.NDArray[np.float64]


def unit_rows(vectors: Doubles) -> Doubles:
    """Each row at length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1.0)


def unit_vectors(vectors: Vectors) -> Vectors:
    """The same of float32."""
    return unit_rows(vectors.astype(np.float64)).astype(np.float32)


def finite_rows(vectors: Vectors) -> npt.NDArray[np.bool_]:
    """Which rows hold finite numbers only, shape (len(vectors),)."""
    return np.asarray(np.isfinite(vectors).all(axis=1), dtype=np.bool_)


def refuse_non_finite(vectors: Vectors, what: str) -> None:
    """Raise where a row has a NaN, which compares false with everything and would rank first, or an infinity.

    :raises EncodingError: names the first bad row.
    """
    bad = np.flatnonzero(~finite_rows(vectors))
    if bad.size:
        raise EncodingError(
            f"{bad.size} of {len(vectors)} {what} vectors are not finite, the first at row {int(bad[0])}",
            "only finite vectors are stored",
            "Check the encoder (half precision overflows on some devices; try --device cpu)",
        )
