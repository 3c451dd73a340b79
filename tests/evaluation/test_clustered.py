from __future__ import annotations

import pytest
from scipy.stats import t, ttest_rel

from xqg.evaluation.evaluate import Evaluation, QueryResult
from xqg.evaluation.queries import LabelledQuery
from xqg.evaluation.statistics import clustered_p


def evaluation(*values: tuple[str, str, float]) -> Evaluation:
    """Of language, passage and value each."""
    return Evaluation(
        tuple(
            QueryResult(LabelledQuery(str(place), language, "?", {passage: 1}), (), {"m": value})
            for place, (language, passage, value) in enumerate(values)
        )
    )


def against_nothing(*values: tuple[str, str, float]) -> float | None:
    nothing = [(language, passage, 0.0) for language, passage, _ in values]
    return clustered_p(evaluation(*values), evaluation(*nothing), "m")


def test_one_question_a_passage_in_one_language_is_the_paired_t_test():
    values = [0.5, 1.0, 0.0, 0.25]
    found = against_nothing(*(("fr", str(place), value) for place, value in enumerate(values)))
    assert found == pytest.approx(ttest_rel(values, [0.0] * 4).pvalue)


def test_the_same_question_in_two_languages_tells_no_more_than_once():
    once = [("fr", "a", 1.0), ("fr", "b", 0.0), ("fr", "c", 0.5)]
    twice = [*once, *(("ja", passage, value) for _, passage, value in once)]
    assert against_nothing(*twice) == pytest.approx(against_nothing(*once))


def test_clusters_by_hand():
    # mean 0.5; deviations by passage: a (0.5 + 0.5) / 4, b (-0.5 - 0.5) / 4; error √(2/1 · 2 · 0.25²) = 0.5
    found = against_nothing(("fr", "a", 1.0), ("fr", "a", 1.0), ("fr", "b", 0.0), ("fr", "b", 0.0))
    assert found == pytest.approx(2 * t.sf(1.0, 1))


def test_no_change_is_chance_and_one_passage_tells_nothing():
    assert against_nothing(("fr", "a", 0.0), ("fr", "b", 0.0)) == 1.0
    assert against_nothing(("fr", "a", 1.0), ("fr", "b", 1.0)) == 0.0
    assert against_nothing(("fr", "a", 1.0), ("fr", "a", 0.0)) is None


def test_other_queries_are_refused():
    with pytest.raises(ValueError, match="same queries"):
        clustered_p(evaluation(("fr", "a", 1.0)), evaluation(("ja", "a", 1.0)), "m")
