from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from xqg.errors import StoreError
from xqg.ingest.calibration import Calibration, Sample, Wishes, calibrate
from xqg.ingest.fusion import PLAIN, Fusion
from xqg.ingest.subspace import LanguageSpace, language_space, remove, unit_rows
from xqg.ingest.trials import Bench, Fold, Scores, choose, hold_out
from xqg.records import FusionRule

LANGUAGES = ("fr", "ja")
WISHES = Wishes(FusionRule.NEUTRAL, LANGUAGES)


def sample(passages: int = 40, each: int = 2, seed: int = 0) -> Sample:
    """Topics on 20 axes, the language on two more: French and Japanese queries lean far towards their language."""
    random = np.random.default_rng(seed)
    topics = random.normal(size=(passages, 20))
    pull = {"en": (0.0, 0.0), "fr": (9.0, 3.0), "ja": (3.0, 9.0)}
    # passages lean towards the languages by accident, which is what the rule is to take away
    own = np.concatenate([topics, random.normal(size=(passages, 2)) * 2], axis=1)
    rows, owners, languages = [], [], []
    for owner in range(passages):
        for code, axes in pull.items():
            for _ in range(each):
                rows.append(np.concatenate([topics[owner] + random.normal(size=20) * 0.8, axes]))
                owners.append(owner)
                languages.append(code)
    asked = unit_rows(np.array(rows)).astype(np.float32)
    return Sample(unit_rows(own).astype(np.float32), ["en"] * passages, asked, np.array(owners), languages)


def test_a_subspace_is_removed_by_hand() -> None:
    space = language_space(("fr", "ja"), np.array([[3.0, 0.0, 0.0], [6.0, 0.0, 0.0]]))
    assert space.basis.shape == (1, 3)  # two means in one direction
    np.testing.assert_allclose(remove(np.array([[2.0, 1.0, 5.0]]), space.basis, 1.0), [[0, 1, 5]], atol=1e-9)
    np.testing.assert_allclose(remove(np.array([[2.0, 1.0, 5.0]]), space.basis, 0.25), [[1.5, 1, 5]], atol=1e-9)


def test_a_row_of_zeros_has_no_direction() -> None:
    np.testing.assert_array_equal(unit_rows(np.array([[0.0, 0.0], [3.0, 4.0]])), [[0, 0], [0.6, 0.8]])


def test_every_other_language_is_fused_and_every_query_is_asked_once() -> None:
    owners = np.array([0, 0, 0, 1, 1])
    languages = np.array(["fr", "fr", "ja", "fr", "en"], dtype=object)
    first, second = hold_out(owners, languages, LANGUAGES, by_turn=False)
    assert (first.fused.tolist(), first.asked.tolist()) == ([0, 1, 3], [2])
    assert (second.fused.tolist(), second.asked.tolist()) == ([2], [0, 1, 3])
    first, _ = hold_out(owners, languages, LANGUAGES, by_turn=True)
    assert (first.fused.tolist(), first.asked.tolist()) == ([0, 2, 3], [1])


def test_reciprocal_ranks_by_hand_and_a_tie_counts_as_lost() -> None:
    passages = np.array([[1, 0], [0, 1], [1, 0]], dtype=np.float32)
    queries = np.array([[2, 1], [1, 3], [0, 1]], dtype=np.float32)
    languages = np.array(["fr", "fr", "en"], dtype=object)
    bench = Bench(passages, np.array(["en"] * 3, dtype=object), queries, np.array([0, 1, 0]), languages)
    nothing = np.empty(0, dtype=np.int64)
    scores = bench.score(PLAIN, [type(hold_out(nothing, languages[:0], (), False)[0])(nothing, np.array([0, 1]))])
    # query 0 ties with the twin of its passage: rank 2; query 1 finds its own; the English one is second and ties
    np.testing.assert_allclose(scores.foreign["fr"], [1 / 2, 1])
    np.testing.assert_allclose(scores.own, [1 / 3])
    assert scores.macro == 0.75


def test_in_a_corpus_of_several_languages_foreign_queries_in_one_of_them_count_as_its_own_too() -> None:
    passages = np.array([[1, 0], [0, 1]], dtype=np.float32)
    queries = np.array([[1, 3], [1, 2], [1, 0]], dtype=np.float32)
    owners, languages = np.array([0, 1, 0]), np.array(["fr", "fr", "ja"], dtype=object)
    bench = Bench(passages, np.array(["en", "fr"], dtype=object), queries, owners, languages)
    nothing = np.empty(0, dtype=np.int64)
    found = bench.score(PLAIN, [Fold(nothing, np.array([0, 2]))])
    # the bias to French passages takes one French query's passage from the first place and keeps the other's there
    np.testing.assert_allclose(found.own, [1 / 2, 1])
    assert {code: ranks.tolist() for code, ranks in found.foreign.items()} == {"fr": [1 / 2], "ja": [1]}


def scores(foreign: list[float], own: list[float]) -> Scores:
    return Scores({"fr": np.array(foreign)}, np.array(own))


def test_the_default_stays_unless_another_is_clearly_better() -> None:
    default, plain = scores([0.5, 0.5, 0.5, 0.5], [1, 1]), scores([0.4, 0.4, 0.4, 0.4], [1, 1])
    slightly, clearly = scores([0.7, 0.3, 0.7, 0.4], [1, 1]), scores([0.7, 0.6, 0.7, 0.6], [1, 1])
    assert choose(plain, [default, slightly]) == 0
    assert choose(plain, [default, slightly, clearly]) == 2


def test_what_costs_questions_in_the_passages_own_language_is_passed_over() -> None:
    plain = scores([0.4, 0.4], [1, 1, 1, 1])
    costly, fair = scores([0.9, 0.9], [0.5, 0.5, 0.4, 0.5]), scores([0.6, 0.6], [1, 1, 1, 0.9])
    assert choose(plain, [costly, fair]) == 1


def test_a_small_loss_in_the_passages_own_language_is_borne_however_certain() -> None:
    plain, fair = scores([0.4, 0.4], [1, 1, 1, 1]), scores([0.6, 0.6], [1, 1, 1, 1])
    assert choose(plain, [scores([0.9, 0.9], [0.992, 0.992, 0.992, 0.992]), fair]) == 0
    assert choose(plain, [scores([0.9, 0.9], [0.988, 0.988, 0.988, 0.988]), fair]) == 1


def test_the_calibration_removes_the_language_and_gains_by_it() -> None:
    found = calibrate(sample(), WISHES)
    assert (found.fusion.rule, found.fusion.share, found.fusion.renormalise) == (FusionRule.NEUTRAL, 1.0, True)
    assert found.fusion.space is not None and found.fusion.space.languages == LANGUAGES
    assert (found.passages, dict(found.queries), found.note) == (40, {"fr": 80, "ja": 80}, "")
    by_choice = {(trial.alpha, trial.share): trial.foreign or 0.0 for trial in found.trials}
    assert by_choice[0.0, 1.0] > by_choice[0.0, 0.0] + 0.02


def test_the_same_sample_gives_the_same_calibration_and_another_one_another() -> None:
    assert calibrate(sample(), WISHES).digest == calibrate(sample(), WISHES).digest
    assert calibrate(sample(), WISHES).digest != calibrate(sample(seed=1), WISHES).digest


def test_what_is_wished_for_is_not_chosen() -> None:
    found = calibrate(sample(), replace(WISHES, alpha=0.15, share=0.5))
    assert (found.fusion.alpha, found.fusion.share, found.fusion.renormalise) == (0.15, 0.5, False)
    assert len(found.trials) == 1


def test_few_passages_fall_back_to_mean_and_say_so() -> None:
    found = calibrate(sample(passages=5), WISHES)
    assert (found.fusion.rule, found.fusion.space) == (FusionRule.MEAN, None)
    assert "5 passages with 20 queries are too few" in found.note


def test_a_language_without_queries_is_left_out_and_named() -> None:
    found = calibrate(sample(), replace(WISHES, targets=("fr", "ja", "ko")))
    assert found.fusion.space is not None and found.fusion.space.languages == LANGUAGES
    assert "too few queries in ko" in found.note


def test_one_query_in_one_language_leaves_nothing_to_hold_out() -> None:
    one = sample(each=1)
    found = calibrate(one, replace(WISHES, targets=("fr",)))
    assert found.fusion.alpha == 0.3
    assert found.fusion.space is not None


def test_queries_in_the_own_language_are_fused_only_where_asked() -> None:
    found = calibrate(sample(), replace(WISHES, own_language=True))
    assert found.fusion.space is not None and found.fusion.space.languages == ("fr", "ja", "en")


@pytest.mark.parametrize("rule", [FusionRule.NEUTRAL, FusionRule.MEAN, FusionRule.PER_LANGUAGE])
def test_a_calibration_survives_json_bit_for_bit(rule: FusionRule) -> None:
    found = calibrate(sample(), replace(WISHES, rule=rule))
    again = Calibration.from_json(json.loads(json.dumps(found.to_json())))
    assert again.digest == found.digest
    assert (again.trials, again.queries) == (found.trials, found.queries)
    assert found.fusion.space is not None and again.fusion.space is not None
    np.testing.assert_array_equal(again.fusion.space.means, found.fusion.space.means)


@pytest.mark.parametrize("damage", [{"fusion": {}}, {"passages": "x"}, {"trials": [{"a": 1}]}])
def test_a_damaged_calibration_is_refused(damage: dict[str, object]) -> None:
    with pytest.raises(StoreError, match="damaged"):
        Calibration.from_json({**calibrate(sample(), WISHES).to_json(), **damage})


def test_a_damaged_space_is_refused() -> None:
    space = LanguageSpace(("fr",), np.ones((1, 2), dtype=np.float32), np.ones((1, 2), dtype=np.float32))
    stored = space.to_json()
    for broken in ({**stored, "languages": ["fr", "ja"]}, {**stored, "means": {"shape": [1, 2], "float32": "AAAA"}}):
        with pytest.raises(StoreError, match="damaged"):
            LanguageSpace.from_json(broken)
    assert Fusion(FusionRule.NEUTRAL, 0.3, space=LanguageSpace.from_json(stored)).space is not None
