"""Fusing a passage's vector with those of its queries (α-augmentation): pure numpy.

Source of ``sum``: Zhuang, Shou, Zuccon, SIGIR 2023 (arXiv 2305.03950), and ``fuse_embeds.py`` of its code. ``neutral``
and ``per-language`` are ours; removing a language subspace follows Yang et al. 2021 (LIR) and Xie et al. 2022 (LSAR),
but takes the subspace from generated queries instead of parallel text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xqg.errors import EncodingError, SettingsError
from xqg.ingest.subspace import LanguageSpace, remove, unit_rows
from xqg.records import FusionRule, Vectors

Rows = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Fusion:
    """How the vectors of a passage and of its queries become one; frozen once a collection is calibrated.

    ``alpha``: weight of the queries, 0 to 1. ``prior``: how many pseudo-queries, each the mean of its language, every
    passage gets in every language of ``space``, so that passages with few queries are not pushed down. ``share``: how
    much of the language subspace is removed, 0 to 1. ``renormalise``: parts are brought to length 1 before they are
    mixed, and the result too. Only ``neutral`` and ``per-language`` look at the last two.

    :raises SettingsError: if a prior or a share is given without a space.
    """

    rule: FusionRule
    alpha: float
    prior: float = 0.0
    share: float = 0.0
    renormalise: bool = False
    space: LanguageSpace | None = None

    def __post_init__(self) -> None:
        if self.space is None and (self.prior > 0 or self.share > 0 or self.rule is FusionRule.PER_LANGUAGE):
            raise SettingsError(
                f"the rule {self.rule.value} needs the mean query of each language", "a calibration", "Calibrate first"
            )


_GONE = 1e-6
"""Shorter vectors are what rounding left of a passage that lies in the subspace."""

PLAIN = Fusion(FusionRule.MEAN, 0.0)
"""Passages as they are."""


def fuse(passages: Vectors, queries: Vectors, owners: Rows, languages: Sequence[str], fusion: Fusion) -> Vectors:
    """The stored vectors, shape (n, d), float32.

    ``sum`` (the paper's): (1-α)·p + α·Σ q_i, not renormalised, so a passage's weight grows with its queries.
    ``mean``: (1-α)·p + α·q̄, where q̄ is the passage's mean query, shrunk towards the language means by the prior.
    ``neutral``: the same after the language subspace was removed from both, and each was brought to length 1.
    ``per-language``: here as ``neutral``; `fuse_by_language` makes the vectors of the single languages.

    A passage without queries keeps its own vector (under ``neutral`` what is left of it), except that ``mean`` with
    a prior gives it the language means, as it does to its neighbours. Queries in a language that the calibrated
    space does not have are left out where there is a prior.

    :param passages: shape (n, d). :param queries: shape (m, d), in any order; m may be 0.
    :param owners: shape (m,), the row in ``passages`` of each query's passage; counts may differ by passage.
    :param languages: the language of each query, m of them.
    :raises EncodingError: if a vector is not finite; a NaN compares false with everything and would rank first.
    """
    targets = () if fusion.space is None else fusion.space.languages
    return _fuse(passages, queries, owners, languages, fusion, targets)


def fuse_by_language(
    passages: Vectors, queries: Vectors, owners: Rows, languages: Sequence[str], fusion: Fusion
) -> dict[str, Vectors]:
    """For each language of the calibrated space, the passages fused with its queries alone: each of shape (n, d).

    Parameters and errors as in `fuse`.

    :raises SettingsError: if ``fusion`` has no space.
    """
    if fusion.space is None:
        raise SettingsError("per-language needs the mean query of each language", "a calibration", "Calibrate first")
    spoken = np.array(languages, dtype=object)
    vectors = {}
    for language in fusion.space.languages:
        rows = np.flatnonzero(spoken == language)
        vectors[language] = _fuse(passages, queries[rows], owners[rows], list(spoken[rows]), fusion, (language,))
    return vectors


def _fuse(
    passages: Vectors, queries: Vectors, owners: Rows, languages: Sequence[str], fusion: Fusion, targets: Sequence[str]
) -> Vectors:
    refuse_non_finite(passages, "passage")
    refuse_non_finite(queries, "query")
    own, asked = passages.astype(np.float64), queries.astype(np.float64)
    if fusion.rule is FusionRule.SUM:
        totals = _sums(asked, owners, len(passages))
        heard = (_counts(owners, len(passages)) > 0)[:, None]
        fused = np.where(heard, (1.0 - fusion.alpha) * own + fusion.alpha * totals, own)
    else:
        means, trust = _query_means(asked, owners, languages, len(passages), fusion, targets)
        fused = (
            _mean(own, means, trust, fusion) if fusion.rule is FusionRule.MEAN else _neutral(own, means, trust, fusion)
        )
    result: Vectors = fused.astype(np.float32)
    refuse_non_finite(result, "fused")
    return result


def _query_means(
    queries: Doubles, owners: Rows, languages: Sequence[str], passages: int, fusion: Fusion, targets: Sequence[str]
) -> tuple[Doubles, Doubles]:
    """The mean query of each passage, shape (n, d), and how far it is to be trusted, shape (n, 1), 0 to 1.

    Without a prior it is the mean of all queries, trusted wherever there is one. With a prior κ each language's mean
    is (Σ q + κ·μ_L) / (count + κ), every language weighs the same, and the trust is the share of the real queries.
    """
    if fusion.space is None or fusion.prior == 0:
        counts = _counts(owners, passages)[:, None]
        return _sums(queries, owners, passages) / np.maximum(counts, 1), (counts > 0).astype(np.float64)
    spoken = np.array(languages, dtype=object)
    means, trust = np.zeros((passages, queries.shape[1])), np.zeros((passages, 1))
    for language in targets:
        rows = np.flatnonzero(spoken == language)
        counts = _counts(owners[rows], passages)[:, None]
        sums = _sums(queries[rows], owners[rows], passages) + fusion.prior * fusion.space.mean(language)
        means += sums / (counts + fusion.prior) / len(targets)
        trust += counts / (counts + fusion.prior) / len(targets)
    return means, trust


def _mean(own: Doubles, means: Doubles, trust: Doubles, fusion: Fusion) -> Doubles:
    mixed = (1.0 - fusion.alpha) * own + fusion.alpha * means
    return mixed if fusion.prior > 0 else np.where(trust > 0, mixed, own)


def _neutral(own: Doubles, means: Doubles, trust: Doubles, fusion: Fusion) -> Doubles:
    """Without renormalisation the prior's language means leave q̄ with the subspace, so q̄ is shrunk by itself.

    With it q̄ would regain its length, however few queries it comes from: the trust takes that back. A passage that
    lies wholly in the subspace stays as it was.
    """
    plain = own
    if fusion.space is not None:
        own = remove(own, fusion.space.basis, fusion.share)
        means = remove(means, fusion.space.basis, fusion.share)
    if not fusion.renormalise:
        return np.where(trust > 0, (1.0 - fusion.alpha) * own + fusion.alpha * means, own)
    mixed = (1.0 - fusion.alpha) * unit_rows(own) + fusion.alpha * trust * unit_rows(means)
    gone = np.linalg.norm(mixed, axis=1, keepdims=True) < _GONE
    return unit_rows(np.where(gone, plain, mixed))


def _counts(owners: Rows, passages: int) -> Doubles:
    return np.bincount(owners, minlength=passages).astype(np.float64)


def _sums(queries: Doubles, owners: Rows, passages: int) -> Doubles:
    totals = np.zeros((passages, queries.shape[1]))
    np.add.at(totals, owners, queries)
    return totals


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
