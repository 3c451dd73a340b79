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
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

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
