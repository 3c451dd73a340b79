"""Trying a fusion on held-out queries: which of them bring their passage back, and which fusion is to be preferred."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from xqg.ingest.fusion import Fusion, Rows, fuse, fuse_by_language
from xqg.records import FusionRule, Vectors

Codes = npt.NDArray[np.object_]

SMALL_LOSS = 0.01
"""A loss of mean reciprocal rank that is borne where others gain: on XQuAD's English pool the default cost English
queries 0.007 when this was chosen, more than one standard error or less as the draw had it, and brought others 0.05."""


@dataclass(frozen=True)
class Trial:
    """Mean reciprocal rank of held-out queries among the sample, under one choice; None where there were none.

    ``foreign``: macro average over the target languages. ``own``: queries in a language of the sampled passages.
    """

    alpha: float
    share: float
    directions: int
    foreign: float | None
    own: float | None


@dataclass(frozen=True, eq=False)
class Fold:
    """Rows of the queries that are fused, and of those that are held out and asked."""

    fused: Rows
    asked: Rows


@dataclass(frozen=True, eq=False)
class Scores:
    """The reciprocal rank of each asked query, by language, and of those in a language of the sampled passages.

    Where passages are in several languages the latter hold foreign ones too: those who ask in such a language profit
    from plain vectors' bias to it when they want a passage in it, and pay for it when they want another.
    """

    foreign: dict[str, npt.NDArray[np.float64]]
    own: npt.NDArray[np.float64]

    @property
    def macro(self) -> float | None:
        """Mean over languages of their means; None where nothing was asked."""
        return float(np.mean([ranks.mean() for ranks in self.foreign.values()])) if self.foreign else None


def hold_out(owners: Rows, languages: Codes, targets: Sequence[str], by_turn: bool) -> tuple[Fold, Fold]:
    """Two folds of the queries in ``targets``: each query is fused in one and asked in the other.

    A passage's queries in one language are much alike, and a fused one would give its held-out sister away: every
    other language is fused, for all passages the same ones. With ``by_turn`` (the rule ``per-language``) and where
    there is but one target, every other query of a passage in a language is.
    """
    side = np.full(len(owners), -1)
    place = {code: number for number, code in enumerate(targets)}
    turns: dict[tuple[int, str], int] = {}
    for row, (owner, code) in enumerate(zip(owners.tolist(), languages, strict=True)):
        if code in place:
            turn = turns[owner, code] = turns.get((owner, code), -1) + 1
            side[row] = (turn if by_turn or len(targets) == 1 else place[code]) % 2
    first, second = np.flatnonzero(side == 0), np.flatnonzero(side == 1)
    return Fold(first, second), Fold(second, first)


@dataclass(frozen=True, eq=False)
class Bench:
    """A sample on which fusions are tried: passages (n, d) with their languages, queries (m, d) with theirs."""

    passages: Vectors
    spoken: Codes
    queries: Vectors
    owners: Rows
    languages: Codes

    def score(self, fusion: Fusion, folds: Sequence[Fold]) -> Scores:
        """Reciprocal ranks under ``fusion``; queries in a passage's own language are asked, fused only in a fold."""
        own_rows = np.flatnonzero(self.languages == self.spoken[self.owners])
        fused_at_all = np.concatenate([fold.fused for fold in folds])
        never_fused = np.setdiff1d(own_rows, fused_at_all)
        ranks = np.full(len(self.queries), np.nan)
        for fold in folds:
            ranks[fold.asked] = self._ranks(fusion, fold.fused, fold.asked)
        everything = np.sort(fused_at_all)
        ranks[never_fused] = self._ranks(fusion, everything, never_fused)
        asked = ~np.isnan(ranks)
        foreign = asked.copy()
        foreign[own_rows] = False
        codes = sorted(set(self.languages[foreign]))
        own = np.isin(self.languages, sorted(set(self.spoken)))
        return Scores(
            {code: 1.0 / ranks[foreign & (self.languages == code)] for code in codes}, 1.0 / ranks[asked & own]
        )

    def _ranks(self, fusion: Fusion, fused: Rows, asked: Rows) -> npt.NDArray[np.float64]:
        """The rank of its own passage for each asked query, counting from 1; a tie counts as lost."""
        found = np.empty(len(asked))
        spoken = list(self.languages[fused])
        narrowed = fusion if fusion.space is None else replace(fusion, space=fusion.space.narrowed(spoken))
        parts = (self.passages, self.queries[fused], self.owners[fused], spoken, narrowed)
        default = fuse(*parts)
        by_language = fuse_by_language(*parts) if fusion.rule is FusionRule.PER_LANGUAGE else {}
        for code in sorted(set(self.languages[asked])):
            places = np.flatnonzero(self.languages[asked] == code)
            rows = asked[places]
            similarity = self.queries[rows] @ by_language.get(code, default).T
            target = similarity[np.arange(len(rows)), self.owners[rows]]
            found[places] = (similarity >= target[:, None]).sum(axis=1)
        return found


def choose(plain: Scores, scores: Sequence[Scores]) -> int:
    """The number of the fusion to take; the first one is the default, and stays unless another is clearly better.

    Those under which queries in the languages of the passages lose against ``plain`` by more than `SMALL_LOSS` and by
    more than one standard error are passed over, unless all do. Of the rest the best macro average wins if it beats the
    default by more than one standard error (the one-standard-error rule of Breiman et al. 1984); else the default.
    """
    fair = [number for number, score in enumerate(scores) if not _worse(score.own, plain.own)]
    if not fair:
        return max(range(len(scores)), key=lambda number: _mean(scores[number].own))
    best = max(fair, key=lambda number: (scores[number].macro or 0.0, -number))
    if 0 in fair and _gain(scores[best], scores[0]) <= _error(scores[best], scores[0]):
        return 0
    return best


def _worse(own: npt.NDArray[np.float64], plain: npt.NDArray[np.float64]) -> bool:
    if len(own) < 2:
        return False
    change = own - plain
    return bool(change.mean() < -max(SMALL_LOSS, change.std(ddof=1) / np.sqrt(len(change))))


def _gain(better: Scores, default: Scores) -> float:
    return (better.macro or 0.0) - (default.macro or 0.0)


def _error(better: Scores, default: Scores) -> float:
    """Standard error of the macro average of paired differences."""
    variances = []
    for code, ranks in better.foreign.items():
        change = ranks - default.foreign[code]
        variances.append(change.var(ddof=1) / len(change) if len(change) > 1 else 1.0)
    return float(np.sqrt(np.sum(variances)) / max(len(variances), 1))


def _mean(values: npt.NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else 0.0


def summary(fusion: Fusion, scores: Scores) -> Trial:
    """The numbers of a trial worth keeping."""
    directions = 0 if fusion.space is None else len(fusion.space.basis)
    own = round(_mean(scores.own), 4) if len(scores.own) else None
    foreign = None if scores.macro is None else round(scores.macro, 4)
    return Trial(fusion.alpha, fusion.share, directions, foreign, own)
