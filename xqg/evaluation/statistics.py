"""Significance and intervals of per-query values, language by language and over all of them.

A language's change is tested with the two-sided paired t-test over its queries, as in the paper (p < 0.05), and the
p-values of the languages are corrected by Holm's step-down rule (Holm 1979), which guards against the same errors as
Bonferroni's and finds no less. The macro average is one test more, and not corrected: its languages are strata that
weigh the same, so the standard error of its mean is the root of Σ s²/n over the languages, divided by their number,
with Satterthwaite's degrees of freedom (Cochran 1977, *Sampling Techniques*, sections 5.3 and 5.4). Intervals are
percentile bootstrap intervals over queries, drawn within each language (Efron and Tibshirani 1993, chapters 8 and 13).

Both take queries to be independent. Translations of one question are not, so where all languages ask the same
questions the p-value and the interval of the macro average are too small; those of one language are not.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from xqg.evaluation.evaluate import MACRO, Evaluation

LEVEL = 0.05
RESAMPLES = 2000
_DRAWS_AT_ONCE = 2**22

Values: TypeAlias = npt.NDArray[np.float64]
"""Per-query values, shape (queries,)."""


@dataclass(frozen=True)
class Interval:
    """95 % of the bootstrapped means lie between ``low`` and ``high``."""

    low: float
    high: float


def paired_p(first: Sequence[float], second: Sequence[float]) -> float | None:
    """The p of the two-sided paired t-test; 1 where no query changed, None for fewer than two queries."""
    from scipy.stats import ttest_rel

    if len(first) < 2:
        return None
    if list(first) == list(second):
        return 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # scipy's, where every query changed by the same amount
        return float(ttest_rel(first, second).pvalue)


def macro_p(differences: Sequence[Sequence[float]]) -> float | None:
    """The p of the mean over languages of their mean differences (see above); None if it cannot be told.

    :param differences: of the queries of each language; a language with one query tells no variance.
    """
    from scipy.stats import t

    if not differences or any(len(values) < 2 for values in differences):
        return None
    strata = [np.asarray(values, dtype=np.float64) for values in differences]
    variances = np.array([values.var(ddof=1) / len(values) for values in strata])
    mean = math.fsum(float(values.mean()) for values in strata) / len(strata)
    if not variances.any():
        return 1.0 if mean == 0 else 0.0
    freedom = variances.sum() ** 2 / sum(v**2 / (len(s) - 1) for v, s in zip(variances, strata, strict=True))
    return float(2 * t.sf(abs(mean) / (math.sqrt(variances.sum()) / len(strata)), freedom))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """The p-values corrected for their number by Holm's rule; None stays None and does not count."""
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, place) in enumerate(known):
        highest = max(highest, min(1.0, p * (len(known) - rank)))
        corrected[place] = highest
    return corrected


def bootstrap_intervals(values: Mapping[str, Sequence[float]], macro: str, seed: int = 0) -> dict[str, Interval]:
    """The interval of the mean of each language, and as ``macro`` that of the mean of their means.

    Languages with fewer than two values have none, and then there is none of the macro average either. A language's
    draws depend on the seed, its name and its values alone.
    """
    means = {
        name: _resampled_means(np.asarray(own, dtype=np.float64), [seed, *name.encode()])
        for name, own in values.items()
        if len(own) > 1
    }
    if means and len(means) == len(values):
        means[macro] = np.mean(list(means.values()), axis=0)
    return {name: Interval(*(float(end) for end in np.quantile(own, [0.025, 0.975]))) for name, own in means.items()}


def _resampled_means(values: Values, seed: Sequence[int]) -> Values:
    """The means of as many draws with replacement, shape (RESAMPLES,)."""
    generator = np.random.default_rng(seed)
    rows = max(1, _DRAWS_AT_ONCE // len(values))
    parts = [
        values[generator.integers(0, len(values), (min(rows, RESAMPLES - start), len(values)))].mean(axis=1)
        for start in range(0, RESAMPLES, rows)
    ]
    return np.concatenate(parts)


@dataclass(frozen=True)
class Change:
    """The means of a measure in a language ("macro": over all of them), and whether their difference is chance.

    ``interval`` is that of the difference; ``p`` is as tested, ``corrected`` for the number of languages. They are None
    where there are too few queries.
    """

    language: str
    queries: int
    collection: float
    against: float
    interval: Interval | None
    p: float | None
    corrected: float | None

    @property
    def difference(self) -> float:
        """What the collection has more than the one it is compared with."""
        return self.collection - self.against

    @property
    def significant(self) -> bool:
        """Whether p, corrected, is below 0.05."""
        return self.corrected is not None and self.corrected < LEVEL

    def to_json(self) -> dict[str, Any]:
        """All of it by name."""
        return {
            "queries": self.queries,
            "collection": self.collection,
            "against": self.against,
            "change": self.difference,
            "interval": None if self.interval is None else [self.interval.low, self.interval.high],
            "p": self.p,
            "p_corrected": self.corrected,
            "significant": self.significant,
        }


def compare_evaluations(collection: Evaluation, against: Evaluation, measure: str, seed: int = 0) -> tuple[Change, ...]:
    """The change of each language, and the macro average last; the tests are `paired_p`, `macro_p` and `holm`.

    :param seed: of the bootstrap.
    :raises ValueError: if the two did not search the same queries.
    """
    _check_queries(collection, against)
    ours, theirs = collection.values(measure), against.values(measure)
    if not ours:
        return ()
    differences = {name: list(np.subtract(values, theirs[name])) for name, values in ours.items()}
    intervals = bootstrap_intervals(differences, MACRO, seed)
    tested = [paired_p(values, theirs[name]) for name, values in ours.items()]
    macro = macro_p(list(differences.values()))
    p_values = dict(zip([*ours, MACRO], zip([*tested, macro], [*holm(tested), macro], strict=True), strict=True))
    counts = {name: len(values) for name, values in ours.items()}
    counts[MACRO] = sum(counts.values())
    means, other = collection.means(measure), against.means(measure)
    return tuple(
        Change(name, counts[name], means[name], other[name], intervals.get(name), *p_values[name])
        for name in [*ours, MACRO]
    )


def clustered_p(ours: Evaluation, theirs: Evaluation, measure: str) -> float | None:
    """The two-sided p of the difference of the macro averages, with passages as units; None for fewer than two.

    XQuAD asks the same questions in every language, and several of each passage; a test that takes them to be
    independent gives too small a p. Here the standard error is robust to clusters, the queries of one passage (Cameron
    and Miller 2015, section II), with one degree of freedom less than there are passages.

    :raises ValueError: if the two did not search the same queries.
    """
    from scipy.stats import t

    _check_queries(ours, theirs)

    counts = ours.languages()
    differences = np.array(
        [one.values[measure] - other.values[measure] for one, other in zip(ours.results, theirs.results, strict=True)]
    )
    languages = [result.query.language for result in ours.results]
    means = {code: differences[[own == code for own in languages]].mean() for code in counts}
    clusters: dict[tuple[str, ...], float] = {}
    for result, difference in zip(ours.results, differences, strict=True):
        code, key = result.query.language, tuple(sorted(result.query.relevant))
        deviation = float(difference - means[code]) / (counts[code] * len(counts))
        clusters[key] = clusters.get(key, 0.0) + deviation
    if len(clusters) < 2:
        return None
    macro = math.fsum(means.values()) / len(means)
    error = math.sqrt(len(clusters) / (len(clusters) - 1) * math.fsum(own**2 for own in clusters.values()))
    if error == 0:
        return 1.0 if macro == 0 else 0.0
    return float(2 * t.sf(abs(macro) / error, len(clusters) - 1))


def _check_queries(first: Evaluation, second: Evaluation) -> None:
    if [result.query for result in first.results] != [result.query for result in second.results]:
        raise ValueError("two evaluations can be compared only over the same queries")
