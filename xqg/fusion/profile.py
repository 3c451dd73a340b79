"""The profile of an encoder: where it keeps the language of a text, and where its passages lie there.

Let μ_L be the mean vector of questions in language L, whatever they ask, and ν_L that of the same texts encoded as
passages. Their span says which language a text is in, and little about its topic. Of its directions those are taken in
which languages differ most beside texts of one language (linear discriminant analysis, regularised). After Yang et al.
2021 (LIR) and Xie et al. 2022 (LSAR), but from questions that ship with this package: the subspace belongs to the
encoder, so no corpus and no labels are needed.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from xqg.errors import PARSING_ERRORS, StoreError
from xqg.fusion.arrays import Doubles, refuse_non_finite, unit_rows
from xqg.records import Vectors, digest

MOST_DIRECTIONS = 24
"""Directions of the subspace, the most telling first (docs/results.md); the others are as much topic as language."""

REGULARISATION = 6.0
"""Added to the variance of texts of one language in every direction, in units of its mean over all directions."""

_LOWERED = 0.97  # with all of the share the best of a passage's rows scores higher than its one plain vector

_NEGLIGIBLE = 1e-12
"""Directions whose eigenvalue is smaller than this share of the largest are rounding errors."""


@dataclass(frozen=True, eq=False)
class EncoderProfile:
    """An encoder's language subspace, and the constant part of it that every neutral row gets back.

    ``languages``: of the probe questions. ``basis``: shape (r, d), float32, orthonormal rows. ``direction``: shape
    (d,), the unit mean of the probe passages' projections on the subspace. ``share``: `_LOWERED` times the mean length
    of these projections where passages have length 1; 0 to 1. ``scale``: the probe passages' mean length, 1 for units.
    """

    languages: tuple[str, ...]
    basis: Vectors
    direction: Vectors
    share: float
    scale: float

    @cached_property
    def digest(self) -> str:
        """The hash of all of it; part of every fingerprint."""
        return digest(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON; arrays as base64 of little-endian float32, bit for bit."""
        return {
            "languages": list(self.languages),
            "basis": _encode(self.basis),
            "direction": _encode(self.direction),
            "share": self.share,
            "scale": self.scale,
        }

    @staticmethod
    def from_json(value: Any) -> EncoderProfile:
        """What `to_json` wrote. :raises StoreError: if it is damaged."""
        try:
            basis, direction = _decode(value["basis"]), _decode(value["direction"])
            share, scale = float(value["share"]), float(value["scale"])
            if basis.ndim != 2 or direction.shape != basis.shape[1:] or not (0 <= share <= 1 and 0 < scale < np.inf):
                raise ValueError(f"basis {basis.shape}, direction {direction.shape}, share {share}, scale {scale}")
            return EncoderProfile(tuple(map(str, value["languages"])), basis, direction, share, scale)
        except PARSING_ERRORS as error:
            raise StoreError(
                f"The stored encoder profile is damaged: {error}", "what xqg wrote", "Ingest into a new collection"
            ) from error


def encoder_profile(
    questions: Vectors, as_passages: Vectors, languages: Sequence[str], passages: Vectors
) -> EncoderProfile:
    """The profile of the encoder that made these vectors.

    :param questions: shape (m, d). :param as_passages: of the same texts, encoded as passages, shape (m, d).
    :param languages: of each question, m codes; two languages or more.
    :param passages: vectors of passages in any language, shape (n, d).
    :raises EncodingError: if a vector is not finite.
    """
    refuse_non_finite(questions, "question")
    refuse_non_finite(as_passages, "question")
    refuse_non_finite(passages, "passage")
    own = passages.astype(np.float64)
    codes, spoken = sorted(set(languages)), np.array(languages)
    sides = [unit_rows(side.astype(np.float64)) for side in (questions, as_passages)]
    basis = _discriminants([side[spoken == code] for side in sides for code in codes])
    inside = unit_rows(own) @ basis.T @ basis
    direction = unit_rows(inside.mean(axis=0)[None])[0]
    return EncoderProfile(
        languages=tuple(codes),
        basis=basis.astype(np.float32),
        direction=direction.astype(np.float32),
        share=_LOWERED * float(np.linalg.norm(inside, axis=1).mean()),
        scale=float(np.linalg.norm(own, axis=1).mean()),
    )


def _discriminants(groups: Sequence[Doubles]) -> Doubles:
    """Orthonormal rows, (at most `MOST_DIRECTIONS`, d), that span the first columns of S⁻¹ Mᵀ U. M: the groups' means,
    (g, d). S: the regularised covariance within the groups, (d, d). U: the eigenvectors of M S⁻¹ Mᵀ, largest first.
    """
    means = np.stack([group.mean(axis=0) for group in groups])
    around = np.concatenate([group - mean for group, mean in zip(groups, means, strict=True)])
    within = around.T @ around / len(around)
    within /= np.diag(within).mean() or 1.0  # no variance: one text in each language
    weighted = np.linalg.solve(within + REGULARISATION * np.eye(len(within)), means.T)
    vectors, values, _ = np.linalg.svd(means @ weighted)  # symmetric: eigenvectors and eigenvalues
    chosen = vectors[:, values > _NEGLIGIBLE * values[0]][:, :MOST_DIRECTIONS]
    basis: Doubles = np.linalg.qr(weighted @ chosen)[0].T
    return basis


def without_language(vectors: Doubles, profile: EncoderProfile) -> Doubles:
    """``vectors`` (n, d) without their part in the language subspace, at length 1: unit(x - BᵀB x)."""
    basis = profile.basis.astype(np.float64)
    return unit_rows(vectors - (vectors @ basis.T) @ basis)


def with_constant_part(rows: Doubles, profile: EncoderProfile) -> Doubles:
    """Unit rows (n, d) outside the subspace with the same part of it put back: scale · (√(1-a²)·row + a·m).

    That adds a·(q·m) to every score of a query q: no order changes, and scores stay where plain ones are.
    """
    share = profile.share
    anchored: Doubles = profile.scale * (np.sqrt(1 - share**2) * rows + share * profile.direction.astype(np.float64))
    return anchored


def _encode(array: Vectors) -> dict[str, Any]:
    data = np.ascontiguousarray(array, dtype="<f4").tobytes()
    return {"shape": list(array.shape), "float32": base64.b64encode(data).decode("ascii")}


def _decode(value: Mapping[str, Any]) -> Vectors:
    flat = np.frombuffer(base64.b64decode(value["float32"], validate=True), dtype="<f4")
    array: Vectors = flat.reshape(value["shape"]).astype(np.float32)
    if not np.isfinite(array).all():
        raise ValueError("numbers that are not finite")
    return array
