"""From the vectors of a passage and its pieces to the rows that are stored: all formulas, in pure numpy.

p: a passage's vector. q_i: vectors of its generated queries. w_j: of its whole pieces (title, generated queries), which
are about all of it. s_j: of the pieces that get a row of their own. x̂: x without the language subspace, at length 1.
A piece with n translations t_k is unit((1-γ)·ŝ + γ·unit(Σ t̂_k)), γ = min(n / (n+1), 0.65): all count alike, but the
piece itself keeps a third of the weight. Each translated text belongs to the piece nearest to it.

    plain     p
    sum       (1-α)·p + α·Σ q_i          the paper: Zhuang, Shou, Zuccon, SIGIR 2023 (arXiv 2305.03950)
    mean      (1-α)·p + α·mean(q_i)
    neutral   base = unit((1-α)·p̂ + α·unit(Σ ŵ_j))
    views     base, and for every piece unit((1-β)·base + β·ŝ_j)

The rows of the last two get the same constant part of the subspace back. A question meets the nearest of a passage's
rows (MaxSim). After ME-BERT (Luan et al. 2021) and MVR (Zhang et al. 2022); rule by rule in docs/how-it-works.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xqg.errors import SettingsError
from xqg.fusion.arrays import Doubles, refuse_non_finite, unit_rows
from xqg.fusion.pieces import Piece, PieceKind
from xqg.fusion.profile import EncoderProfile, with_constant_part, without_language
from xqg.records import FusionRule, TranslationRows, Vectors

Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

MOST_TRANSLATED = 0.65
"""The most that all translations of a piece together weigh: with more, English questions lose (docs/results.md)."""


@dataclass(frozen=True, eq=False)
class PieceVectors:
    """The pieces of some passages as vectors; a piece may have several versions (translations), which share its row.

    ``vectors``: shape (v, d), one for each version. ``pieces``: shape (v,), the number of the piece of each version.
    ``translated``: shape (v,), whether the version is a translation. ``owners``: shape (m,), for each of m pieces the
    row of its passage. ``whole``: shape (m,), whether the piece is about the whole passage and enters the first row.
    ``viewed``: shape (m,), whether it gets a row of its own.
    """

    vectors: Vectors
    pieces: Rows
    translated: Flags
    owners: Rows
    whole: Flags
    viewed: Flags


def piece_vectors(
    pieces: Sequence[Sequence[Piece]],
    vectors: Vectors,
    profile: EncoderProfile | None,
    rows: TranslationRows = "merged",
) -> PieceVectors:
    """The pieces of each of some passages as vectors.

    Translations become versions of the piece nearest to them in meaning, so that the sentences of a translator who
    joined, split or left out some find theirs; or, as ``rows`` asks, pieces of their own: all of a language, or each.

    :param vectors: of all pieces, in their order, shape (v, d).
    :param profile: the encoder's; needed where translations are merged.
    """
    flat = [piece for found in pieces for piece in found]
    passages = np.repeat(np.arange(len(pieces), dtype=np.int64), [len(found) for found in pieces])
    foreign = _flags(piece.kind is PieceKind.TRANSLATION for piece in flat)
    apart = rows != "merged"
    starts = ~foreign | apart
    if rows == "whole":
        languages = np.array([piece.language for piece in flat], dtype=object)
        starts[1:] &= ~(foreign[1:] & foreign[:-1] & (languages[1:] == languages[:-1]) & (np.diff(passages) == 0))
    numbers = np.cumsum(starts) - 1
    viewed = _flags(piece.viewed for piece in flat)
    if foreign.any() and not apart and profile is not None:
        comparable = np.nan_to_num(without_language(vectors.astype(np.float64), profile))
        for owner in np.unique(passages[foreign]):
            own = np.flatnonzero((passages == owner) & viewed)
            theirs = np.flatnonzero((passages == owner) & foreign)
            numbers[theirs] = numbers[own[np.argmax(comparable[theirs] @ comparable[own].T, axis=1)]]
    return PieceVectors(
        vectors,
        numbers.astype(np.int64),
        foreign & (not apart),
        passages[starts],
        _flags(piece.whole for piece in flat)[starts],
        (viewed | (foreign & apart))[starts],
    )


def _flags(values: Iterable[bool]) -> Flags:
    return np.array(list(values), dtype=np.bool_)


def select_pieces(pieces: PieceVectors, versions: Flags) -> PieceVectors:
    """Only these versions, and only pieces that have one left. :param versions: shape (v,)."""
    left, numbers = np.unique(pieces.pieces[versions], return_inverse=True)
    return PieceVectors(
        pieces.vectors[versions],
        numbers.astype(np.int64),
        pieces.translated[versions],
        pieces.owners[left],
        pieces.whole[left],
        pieces.viewed[left],
    )


def limit_views(pieces: PieceVectors, most: int) -> PieceVectors:
    """The same pieces with at most ``most`` rows a passage: neighbouring sentences become versions of one piece.

    None is dropped. A whole piece keeps its row where there is room for it; it is in the first row anyway.

    :param most: 1 or more, or 0 for no row beside the first.
    """
    numbers, viewed = np.arange(len(pieces.owners), dtype=np.int64), pieces.viewed.copy()
    for owner in np.flatnonzero(np.bincount(pieces.owners[pieces.viewed]) > most):
        own = np.flatnonzero((pieces.owners == owner) & pieces.viewed)
        parts = own[~pieces.whole[own]]
        room = most - (len(own) - len(parts))
        if len(parts) and room < 1:
            viewed[own[pieces.whole[own]]] = False
            room = most
        if room < 1:
            viewed[own[most:]] = False
            continue
        if len(parts) > room:
            groups = np.arange(len(parts)) * room // len(parts)
            numbers[parts] = parts[np.unique(groups, return_index=True)[1]][groups]
    kept, renumbered = np.unique(numbers, return_inverse=True)
    return PieceVectors(
        pieces.vectors,
        renumbered[pieces.pieces].astype(np.int64),
        pieces.translated,
        pieces.owners[kept],
        pieces.whole[kept],
        viewed[kept],
    )


@dataclass(frozen=True)
class Fusion:
    """How the vectors of a passage and of its pieces become the rows that are stored.

    ``alpha``: weight of the whole pieces in the first row, 0 to 1. ``beta``: weight of a piece in its own row, 0 to 1.
    ``profile``: of the encoder; None where the rule needs none, or it is not known yet.
    ``rows``: which rows translations have; for `piece_vectors`.
    """

    rule: FusionRule
    alpha: float = 0.0
    beta: float = 0.0
    profile: EncoderProfile | None = None
    rows: TranslationRows = "merged"


@dataclass(frozen=True, eq=False)
class StoredRows:
    """Rows to store, shape (r, d), float32, and the passage of each, shape (r,): ascending, first row first."""

    vectors: Vectors
    owners: Rows

    def by_passage(self, passages: int) -> list[Vectors]:
        """The rows of each of ``passages`` passages, each of shape (its rows, d)."""
        return np.split(self.vectors, np.searchsorted(self.owners, np.arange(1, passages)))


def fuse(passages: Vectors, pieces: PieceVectors, fusion: Fusion) -> StoredRows:
    """The rows to store of each passage, in the passages' order.

    A passage without whole pieces keeps its own vector as first row (under `neutral` and `views` what is left of it).

    :param passages: shape (n, d).
    :raises EncodingError: if a vector is not finite. :raises SettingsError: if the rule needs a profile and has none.
    """
    refuse_non_finite(passages, "passage")
    refuse_non_finite(pieces.vectors, "piece")
    own = passages.astype(np.float64)
    owners = np.arange(len(own), dtype=np.int64)
    if not fusion.rule.is_neutral:
        rows = _augmented(own, pieces, fusion)
    elif fusion.profile is None:
        raise SettingsError(f"The rule {fusion.rule.value} removes the language subspace", "the encoder's profile")
    else:
        rows, owners = _neutral_rows(own, pieces, fusion, fusion.profile)
    stored: Vectors = rows.astype(np.float32)
    refuse_non_finite(stored, "fused")
    return StoredRows(stored, owners)


def _augmented(own: Doubles, pieces: PieceVectors, fusion: Fusion) -> Doubles:
    """`plain`, `sum` and `mean`: one row a passage, shape (n, d); without whole pieces the passage's own vector."""
    if fusion.rule is FusionRule.PLAIN:
        return own
    entering = pieces.whole[pieces.pieces]
    owners = pieces.owners[pieces.pieces[entering]]
    queries = _sums(pieces.vectors[entering].astype(np.float64), owners, len(own))
    counts = np.bincount(owners, minlength=len(own))[:, None]
    if fusion.rule is FusionRule.MEAN:
        queries = queries / np.maximum(counts, 1)
    return np.where(counts > 0, (1 - fusion.alpha) * own + fusion.alpha * queries, own)


def _neutral_rows(own: Doubles, pieces: PieceVectors, fusion: Fusion, profile: EncoderProfile) -> tuple[Doubles, Rows]:
    """`neutral` and `views`: rows (r, d) and the passage of each."""
    merged = _merged(without_language(pieces.vectors.astype(np.float64), profile), pieces)
    whole = _sums(merged[pieces.whole], pieces.owners[pieces.whole], len(own))
    base = unit_rows((1 - fusion.alpha) * without_language(own, profile) + fusion.alpha * unit_rows(whole))
    rows, owners = base, np.arange(len(own), dtype=np.int64)
    if fusion.rule is FusionRule.VIEWS:
        viewed = pieces.owners[pieces.viewed]
        views = unit_rows((1 - fusion.beta) * base[viewed] + fusion.beta * unit_rows(merged[pieces.viewed]))
        owners = np.concatenate([owners, viewed])
        order = np.argsort(owners, kind="stable")
        rows, owners = np.concatenate([base, views])[order], owners[order]
    return with_constant_part(rows, profile), owners


def _merged(versions: Doubles, pieces: PieceVectors) -> Doubles:
    """One vector for each of m pieces, of all its versions, shape (m, d)."""
    translated = pieces.pieces[pieces.translated]
    own = _sums(versions[~pieces.translated], pieces.pieces[~pieces.translated], len(pieces.owners))
    foreign = _sums(versions[pieces.translated], translated, len(pieces.owners))
    counts = np.bincount(translated, minlength=len(pieces.owners))[:, None]
    weight = np.minimum(counts / (counts + 1), MOST_TRANSLATED)
    both = unit_rows((1 - weight) * unit_rows(own) + weight * unit_rows(foreign))
    return np.where(counts > 0, both, own)


def _sums(vectors: Doubles, groups: Rows, count: int) -> Doubles:
    """The sum of the vectors of each of ``count`` groups, shape (count, d)."""
    totals = np.zeros((count, vectors.shape[1]))
    np.add.at(totals, groups, vectors)
    return totals
