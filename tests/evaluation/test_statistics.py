from __future__ import annotations

import math
import warnings

import pytest

from xqg.evaluation.statistics import bootstrap_intervals, holm, macro_p, paired_p


def test_the_paired_t_test_by_hand() -> None:
    # differences 1, 0: mean 1/2, standard error 1/2, t = 1 with one degree of freedom, where p = 1 - 2 atan(t) / pi
    assert paired_p([1, 0.5], [0, 0.5]) == pytest.approx(0.5)


def test_identical_runs_give_1_and_not_nan() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert paired_p([1, 0.5, 0], [1, 0.5, 0]) == 1
        assert macro_p([[0, 0], [0, 0, 0]]) == 1


def test_the_same_change_everywhere_is_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert paired_p([1, 1, 1], [0, 0, 0]) == 0
        assert macro_p([[1, 1], [1, 1]]) == 0


def test_too_few_queries_tell_nothing() -> None:
    assert paired_p([1], [0]) is None
    assert paired_p([], []) is None
    assert macro_p([[1, 0], [1]]) is None
    assert macro_p([]) is None


def test_the_macro_average_by_hand() -> None:
    # two languages with differences 1, 0: mean 1/2, variance (1/4 + 1/4) / 4, so t = sqrt 2; degrees of freedom
    # (1/2)^2 / (1/16 + 1/16) = 2, where p = 1 - t / sqrt(2 + t^2)
    assert macro_p([[1, 0], [0, 1]]) == pytest.approx(1 - math.sqrt(2) / 2)


def test_the_macro_average_of_one_language_is_its_paired_t_test() -> None:
    ours, theirs = [1, 0.5, 0.25, 1], [0.5, 0.5, 0, 1]
    differences = [one - other for one, other in zip(ours, theirs, strict=True)]
    assert macro_p([differences]) == pytest.approx(paired_p(ours, theirs))


def test_a_language_with_many_queries_does_not_outweigh_the_others() -> None:
    up, down = [1.0, 0.9] * 2, [-1.0, -0.9] * 200
    assert macro_p([up, down]) == pytest.approx(1)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.5]) == [1, 1]
    assert holm([None, 0.02, None]) == [None, 0.02, None]
    assert holm([]) == []


class TestBootstrap:
    def test_it_is_seeded_and_each_language_stands_for_itself(self) -> None:
        values = {"de": [1.0, 0.0, 1.0, 0.5], "fr": [0.0, 0.0, 1.0]}
        found = bootstrap_intervals(values, "macro")
        assert bootstrap_intervals(values, "macro") == found
        assert bootstrap_intervals({"fr": values["fr"]}, "macro")["fr"] == found["fr"]
        assert bootstrap_intervals({"de": [0.1, 0.2, 0.3, 0.9]}, "macro", 1) != bootstrap_intervals(
            {"de": [0.1, 0.2, 0.3, 0.9]}, "macro", 0
        )

    def test_the_same_value_everywhere_leaves_no_room(self) -> None:
        found = bootstrap_intervals({"de": [0.5] * 4}, "macro")
        assert (found["de"].low, found["de"].high) == (0.5, 0.5)

    def test_two_values_by_hand(self) -> None:
        # the mean of two draws from 0 and 1 is 0, 1/2 or 1 with probabilities 1/4, 1/2, 1/4: the tails reach both ends
        found = bootstrap_intervals({"de": [0.0, 1.0]}, "macro")["de"]
        assert (found.low, found.high) == (0, 1)

    def test_it_comes_near_the_normal_interval(self) -> None:
        values = [float(number % 2) for number in range(400)]
        found = bootstrap_intervals({"de": values}, "macro")["de"]
        half = 1.96 * 0.5 / math.sqrt(400)
        assert (found.low, found.high) == pytest.approx((0.5 - half, 0.5 + half), abs=0.01)

    def test_the_macro_average_is_surer_than_its_languages(self) -> None:
        values = [float(number % 2) for number in range(100)]
        found = bootstrap_intervals({code: values for code in ("de", "fr", "ja", "ar")}, "macro")
        widths = {name: interval.high - interval.low for name, interval in found.items()}
        assert widths["macro"] == pytest.approx(widths["de"] / 2, rel=0.15)

    def test_one_query_has_no_interval_and_then_the_macro_average_has_none(self) -> None:
        found = bootstrap_intervals({"de": [1.0], "fr": [0.0, 1.0]}, "macro")
        assert list(found) == ["fr"]
