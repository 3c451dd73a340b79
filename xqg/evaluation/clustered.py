"""Whether a change of the macro average is chance, where queries hang together: those that ask for one passage.

XQuAD asks the same questions in every language, and several of each passage; a test that takes them to be independent
is too sure. Here passages are the units: the standard error of the macro average is robust to clusters (Cameron and
Miller 2015, section II), with one degree of freedom less than there are passages.
"""

from __future__ import annotations

import math

import numpy as np

from xqg.evaluation.evaluate import Evaluation


def clustered_p(ours: Evaluation, theirs: Evaluation, measure: str) -> float | None:
    """The two-sided p of the difference of the macro averages; None for fewer than two passages.

    :raises ValueError: if the two did not search the same queries.
    """
    if [result.query for result in ours.results] != [result.query for result in theirs.results]:
        raise ValueError("two evaluations can be compared only over the same queries")
    from scipy.stats import t

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
