"""Two evaluations of the same queries, side by side: what changed in each language, and whether it is chance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from xqg.evaluation.evaluate import MACRO, Evaluation
from xqg.evaluation.statistics import LEVEL, Interval, bootstrap_intervals, holm, macro_p, paired_p


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
    """The change of each language, and the macro average last; see `xqg.evaluation.statistics` for the tests.

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
