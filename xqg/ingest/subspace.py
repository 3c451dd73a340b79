"""The language subspace: where a language's queries lie, whatever they ask; pure numpy.

Let μ_L be the mean vector of the queries in language L. The span of all μ_L says which language a text is in and how
far it is a query, and nothing about its topic. After Yang et al. 2021 (LIR) and Xie et al. 2022 (LSAR), but the means
come from generated queries, so neither parallel text nor labels are needed.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from xqg.errors import SettingsError, StoreError
from xqg.records import Vectors

Doubles = npt.NDArray[np.float64]

_NEGLIGIBLE = 1e-6
"""Directions whose singular value is smaller than this share of the largest are rounding errors."""


@dataclass(frozen=True, eq=False)
class LanguageSpace:
    """The mean query vector of each language, and an orthonormal basis of what is to be removed.

    ``means``: shape (languages, d), float32, in the order of ``languages``. ``basis``: shape (r, d), float32.
    """

    languages: tuple[str, ...]
    means: Vectors
    basis: Vectors

    def mean(self, language: str) -> Vectors:
        """μ of ``language``, shape (d,). :raises SettingsError: if the space was calibrated without it."""
        if language not in self.languages:
            raise SettingsError(
                f"The collection was calibrated without {language!r}",
                f"one of {', '.join(self.languages)}",
                "Calibrate again: xqg calibrate",
            )
        mean: Vectors = self.means[self.languages.index(language)]
        return mean

    def narrowed(self, languages: Collection[str]) -> LanguageSpace:
        """The same directions with the means of these languages only."""
        kept = [number for number, code in enumerate(self.languages) if code in languages]
        return LanguageSpace(tuple(self.languages[number] for number in kept), self.means[kept], self.basis)

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON; arrays as base64 of little-endian float32, bit for bit."""
        return {"languages": list(self.languages), "means": _encode(self.means), "basis": _encode(self.basis)}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> LanguageSpace:
        """What `to_json` wrote. :raises StoreError: if it is damaged."""
        try:
            languages = tuple(value["languages"])
            means, basis = _decode(value["means"]), _decode(value["basis"])
            if len(means) != len(languages) or means.shape[1:] != basis.shape[1:]:
                raise ValueError(f"{len(languages)} languages, means {means.shape}, basis {basis.shape}")
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError(
                f"The stored calibration is damaged: {error}", "", "Calibrate again: xqg calibrate"
            ) from error
        return LanguageSpace(languages, means, basis)


def language_space(languages: Sequence[str], means: Doubles) -> LanguageSpace:
    """The space spanned by the mean query vectors of ``languages``. :param means: shape (languages, d)."""
    _, values, directions = np.linalg.svd(means, full_matrices=False)
    basis = directions[values > _NEGLIGIBLE * values[0]]
    return LanguageSpace(tuple(languages), means.astype(np.float32), basis.astype(np.float32))


def remove(vectors: Doubles, basis: Vectors, share: float) -> Doubles:
    """``vectors`` without ``share`` (0 to 1) of their part in the subspace: x - share · BᵀB x, shape as given.

    :param basis: shape (r, d), orthonormal rows.
    """
    directions = basis.astype(np.float64)
    rest: Doubles = vectors - share * (vectors @ directions.T) @ directions
    return rest


def unit_rows(vectors: Doubles) -> Doubles:
    """Each row at length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1.0)


def _encode(array: Vectors) -> dict[str, Any]:
    data = np.ascontiguousarray(array, dtype="<f4").tobytes()
    return {"shape": list(array.shape), "float32": base64.b64encode(data).decode("ascii")}


def _decode(value: Mapping[str, Any]) -> Vectors:
    flat = np.frombuffer(base64.b64decode(value["float32"], validate=True), dtype="<f4")
    array: Vectors = flat.reshape(value["shape"]).astype(np.float32)
    if not np.isfinite(array).all():
        raise ValueError("numbers that are not finite")
    return array
