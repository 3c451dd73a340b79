"""Calibration: what a sample of the corpus says about how its vectors are best fused; no labels are needed.

Some generated queries are held out and the rest is fused; a choice is as good as its vectors bring the held-out queries
back to their passages. Queries in the passages' own language are held out too, because people go on asking in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from xqg.errors import StoreError
from xqg.ingest.fusion import PLAIN, Fusion, Rows
from xqg.ingest.subspace import LanguageSpace, language_space, unit_rows
from xqg.ingest.trials import Bench, Codes, Scores, Trial, choose, hold_out, summary
from xqg.records import FusionRule, Vectors, digest

MINIMUM_PASSAGES = 20
"""With fewer, the mean of the queries is as much about these passages as about their language."""

MINIMUM_QUERIES = 10
"""A language with fewer queries in the sample is left out: their mean would be about their topics."""

PRIOR_SHARE = 1 / 3
"""Pseudo-queries a language, as a share of the queries that a passage of the sample has in one: three give one. So α
means the same however many there are (measured on XQuAD and Debian with 1 to 3, even and uneven)."""

DEFAULT_ALPHA = 0.3
ALPHAS = (DEFAULT_ALPHA, 0.0, 0.1, 0.2, 0.4)
SHARES = (1.0, 0.0)
"""Tried in this order; the first ones are the defaults, good on XQuAD's held-back articles and in its mixed pool. Above
0.4 held-out generated queries still gain, people's questions do not, and those in the passages' own language lose."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Vectors of some passages and of their generated queries, in the target languages and in the passages' own.

    ``passages`` (n, d), ``spoken`` n language codes, ``queries`` (m, d), ``owners`` (m,) rows in ``passages``,
    ``languages`` m language codes.
    """

    passages: Vectors
    spoken: Sequence[str]
    queries: Vectors
    owners: Rows
    languages: Sequence[str]


@dataclass(frozen=True)
class Wishes:
    """What is fixed beforehand; None is for the calibration to choose.

    ``own_language``: queries in the passages' own language are fused too, not only asked.
    """

    rule: FusionRule
    targets: tuple[str, ...]
    alpha: float | None = None
    share: float | None = None
    own_language: bool = False

    def for_generated_passages(self) -> Wishes:
        """The same with the default weights where they are open.

        Generated passages that are held out would tell how well passages find passages, not how well questions do, so
        only the language space is taken from them.
        """
        alpha = DEFAULT_ALPHA if self.alpha is None else self.alpha
        return replace(self, alpha=alpha, share=SHARES[0] if self.share is None else self.share)


@dataclass(frozen=True, eq=False)
class Calibration:
    """A frozen choice with what it rests on: kept in the collection's metadata, and part of every fingerprint."""

    fusion: Fusion
    passages: int
    queries: Mapping[str, int]
    trials: tuple[Trial, ...] = ()
    note: str = ""

    @property
    def digest(self) -> str:
        """A short hash of all that changes a vector."""
        return digest(fusion_to_json(self.fusion))

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON; vectors bit for bit."""
        return {
            "fusion": fusion_to_json(self.fusion),
            "passages": self.passages,
            "queries": dict(self.queries),
            "trials": [asdict(trial) for trial in self.trials],
            "note": self.note,
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Calibration:
        """What `to_json` wrote. :raises StoreError: if it is damaged."""
        try:
            trials = tuple(Trial(**trial) for trial in value["trials"])
            fusion = fusion_from_json(value["fusion"])
            return Calibration(fusion, int(value["passages"]), dict(value["queries"]), trials, str(value["note"]))
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError(
                f"The stored calibration is damaged: {error!r}", "", "Calibrate again: xqg calibrate"
            ) from error


def calibrate(sample: Sample, wishes: Wishes) -> Calibration:
    """The language space of the sample, and the weights under which its held-out queries find their passages best.

    What cannot be chosen from the sample falls back to a default, and ``note`` says so.
    """
    spoken, languages = np.array(sample.spoken, dtype=object), np.array(sample.languages, dtype=object)
    own = sorted(set(sample.spoken)) if wishes.own_language else []
    counts = {code: int((languages == code).sum()) for code in dict.fromkeys([*wishes.targets, *own])}
    heard = tuple(code for code, count in counts.items() if count >= MINIMUM_QUERIES)
    if len(sample.passages) < MINIMUM_PASSAGES or not heard:
        return _without_space(sample, wishes, counts)
    candidates = _candidates(sample, wishes, languages, heard)
    bench = Bench(sample.passages, spoken, sample.queries, sample.owners, languages)
    mine = languages == spoken[sample.owners]
    usable = languages if wishes.own_language else np.where(mine, "", languages)
    folds = hold_out(sample.owners, usable, heard, by_turn=wishes.rule is FusionRule.PER_LANGUAGE)
    scores = [bench.score(fusion, folds) for fusion in candidates]
    chosen = choose(bench.score(PLAIN, folds), scores)
    trials = tuple(summary(fusion, score) for fusion, score in zip(candidates, scores, strict=True))
    return Calibration(candidates[chosen], len(sample.passages), counts, trials, _note(heard, counts, scores[0]))


def _candidates(sample: Sample, wishes: Wishes, languages: Codes, heard: Sequence[str]) -> list[Fusion]:
    """Every combination that the wishes leave open, the default first."""
    alphas = ALPHAS if wishes.alpha is None else (wishes.alpha,)
    shares = SHARES if wishes.share is None else (wishes.share,)
    if wishes.rule is FusionRule.MEAN:
        shares = (0.0,)
    space = _space(sample, languages, heard)
    prior = PRIOR_SHARE * float(np.isin(languages, heard).sum()) / (len(sample.passages) * len(heard))
    return [
        # what is left after a partial removal would rule a renormalised vector
        Fusion(wishes.rule, alpha, prior, share, share in (0.0, 1.0), space)
        for share in shares
        for alpha in alphas
    ]


def _space(sample: Sample, languages: Codes, heard: Sequence[str]) -> LanguageSpace:
    """The span of the language means; with the mean passage in it, queries in the passages' own language would lose."""
    queries = unit_rows(sample.queries.astype(np.float64))
    return language_space(heard, np.stack([queries[languages == code].mean(axis=0) for code in heard]))


def _without_space(sample: Sample, wishes: Wishes, counts: Mapping[str, int]) -> Calibration:
    fusion = Fusion(FusionRule.MEAN, DEFAULT_ALPHA if wishes.alpha is None else wishes.alpha)
    note = (
        f"{len(sample.passages)} passages with {sum(counts.values())} queries are too few to calibrate on "
        f"(asked for {MINIMUM_PASSAGES} passages and {MINIMUM_QUERIES} queries in a language): the rule is `mean`, "
        "until `xqg calibrate` is run on more"
    )
    return Calibration(fusion, len(sample.passages), counts, (), note)


def _note(heard: Sequence[str], counts: Mapping[str, int], scores: Scores) -> str:
    silent = [code for code in counts if code not in heard]
    notes = [f"too few queries in {', '.join(silent)}: they are not fused"] if silent else []
    if scores.macro is None:
        notes.append("no query could be held out: the weights are the defaults")
    return "; ".join(notes)


def fusion_to_json(fusion: Fusion) -> dict[str, Any]:
    """All that changes a vector, as JSON."""
    return {
        "rule": fusion.rule.value,
        "alpha": fusion.alpha,
        "prior": fusion.prior,
        "share": fusion.share,
        "renormalise": fusion.renormalise,
        "space": None if fusion.space is None else fusion.space.to_json(),
    }


def fusion_from_json(value: Mapping[str, Any]) -> Fusion:
    """What `fusion_to_json` wrote. :raises KeyError, ValueError, TypeError, StoreError: if it is damaged."""
    space = None if value["space"] is None else LanguageSpace.from_json(value["space"])
    numbers = {name: float(value[name]) for name in ("alpha", "prior", "share")}
    return Fusion(FusionRule(value["rule"]), **numbers, renormalise=bool(value["renormalise"]), space=space)
