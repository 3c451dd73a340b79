"""Fusing a passage's vector with those of its queries (α-augmentation): pure numpy.

Source: Zhuang, Shou, Zuccon, SIGIR 2023 (arXiv 2305.03950), and ``fuse_embeds.py`` of its code.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from xqg.errors import EncodingError
from xqg.records import FusionRule, Vectors


def fuse(
    passages: Vectors,
    queries: Vectors,
    owners: npt.NDArray[np.int64],
    rule: FusionRule,
    alpha: float,
) -> Vectors:
    """The stored vectors, shape (n, d), float32.

    ``sum``  (the paper's):  (1-α)·p + α·Σ q_i, not renormalised, so a passage's weight grows with its queries.
    ``mean``:                (1-α)·p + α·mean(q_i), so α means the same for any number of queries.

    A passage without queries keeps its own vector, under both rules.

    :param passages: shape (n, d). :param queries: shape (m, d), in any order; m may be 0.
    :param owners: shape (m,), the row in ``passages`` of each query's passage; counts may differ by passage.
    :param alpha: weight of the queries, 0 to 1.
    :raises EncodingError: if a vector is not finite; a NaN compares false with everything and would rank first.
    """
    refuse_non_finite(passages, "passage")
    refuse_non_finite(queries, "query")
    counts = np.bincount(owners, minlength=len(passages))
    totals = np.zeros(passages.shape, dtype=np.float64)
    np.add.at(totals, owners, queries.astype(np.float64))
    if rule is FusionRule.MEAN:
        totals /= np.maximum(counts, 1)[:, None]
    fused = (1.0 - alpha) * passages.astype(np.float64) + alpha * totals
    result: Vectors = np.where(counts[:, None] > 0, fused, passages).astype(np.float32)
    refuse_non_finite(result, "fused")
    return result


def refuse_non_finite(vectors: Vectors, what: str) -> None:
    """Raise where a row has a NaN or an infinity.

    :raises EncodingError: names the first bad row.
    """
    bad = np.flatnonzero(~finite_rows(vectors))
    if bad.size:
        raise EncodingError(
            f"{bad.size} of {len(vectors)} {what} vectors are not finite, the first at row {int(bad[0])}",
            "only finite vectors are stored",
            "Check the encoder (half precision overflows on some devices; try --device cpu)",
        )


def finite_rows(vectors: Vectors) -> npt.NDArray[np.bool_]:
    """Which rows hold finite numbers only, shape (len(vectors),)."""
    return np.asarray(np.isfinite(vectors).all(axis=1), dtype=np.bool_)
