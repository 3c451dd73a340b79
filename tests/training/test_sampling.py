"""Which queries are read when: balanced, repeatable, in batches of like length."""

from collections import Counter

import numpy as np
import pytest

from xqg.records import Passage
from xqg.training.pairs import PassageGroup, TrainingQuery
from xqg.training.sampling import PackSampler, count_exposures, fixed_plans, language_weights, plan_batches
from xqg.training.training_settings import TrainingSettings


def make_groups(counts, source=0, passages=30, languages=("en",)):
    """Passages that share out ``counts`` queries of each language."""
    groups = []
    for number in range(passages):
        queries = tuple(
            TrainingQuery(code, f"{code} {number} {index}")
            for code, count in counts.items()
            for index in range(count // passages + (number < count % passages))
        )
        texts = tuple(Passage(id=str(number), text=f"text {number}", language=code) for code in languages)
        groups.append(PassageGroup(f"{source}-{number}", source, "question", texts, queries))
    return [group for group in groups if group.queries]


def make_settings(**options):
    values = {"data": ["a.jsonl", "b.jsonl"], "out": "out", "pack_queries": 8} | options
    return TrainingSettings(**values).completed(seq2seq=False)


def draw(groups, settings, count):
    sampler = PackSampler(groups, settings)
    return [sampler.draw() for _ in range(count)]


def test_weights_of_languages():
    groups = make_groups({"da": 900, "fi": 100})

    assert language_weights(groups, balance=1.0) == {"da": 1.0, "fi": 1.0}
    assert language_weights(groups, balance=0.0) == {"da": pytest.approx(1 / 9), "fi": 1.0}
    assert language_weights(groups, balance=0.5) == {"da": pytest.approx(1 / 3), "fi": 1.0}


def test_rare_languages_are_not_drowned():
    groups = make_groups({"da": 300}) + make_groups({"fi": 30, "da": 30}, passages=10)

    shares = {}
    for balance in (0.0, 1.0):
        counts = count_exposures(draw(groups, make_settings(language_balance=balance), 600), groups)
        shares[balance] = counts["fi"] / sum(counts.values())

    assert shares[1.0] < 0.2
    assert shares[0.0] > 2 * shares[1.0]


def test_the_same_seed_draws_the_same_and_another_one_does_not():
    groups = make_groups({"da": 300, "fi": 60})

    first = draw(groups, make_settings(seed=1), 50)
    assert draw(groups, make_settings(seed=1), 50) == first
    assert draw(groups, make_settings(seed=2), 50) != first


def test_sources_take_turns_by_their_share():
    groups = make_groups({"da": 300}) + make_groups({"fr": 300}, source=1)

    counts = count_exposures(draw(groups, make_settings(data=["a?share=3", "b?share=1"]), 400), groups)

    assert counts["da"] / counts["fr"] == pytest.approx(3, rel=0.05)


def test_a_group_comes_back_only_when_all_have_been_read():
    groups = make_groups({"da": 300})

    seen = Counter(plan.group for plan in draw(groups, make_settings(data=["a"], language_balance=1.0), 60))

    assert set(seen.values()) == {2}


def test_packs_hold_no_query_twice_and_no_more_than_asked():
    groups = make_groups({"da": 300, "fr": 300})

    for plan in draw(groups, make_settings(data=["a"]), 50):
        assert len(set(plan.queries)) == len(plan.queries) <= 8


def test_passages_in_other_languages_and_without_title_are_read_as_often_as_asked():
    groups = make_groups({"da": 300}, languages=("en", "de", "fr"))
    settings = make_settings(data=["a?home_share=0.6"], untitled_share=0.25)

    plans = draw(groups, settings, 2000)

    assert np.mean([plan.passage == 0 for plan in plans]) == pytest.approx(0.6, abs=0.05)
    assert {plan.passage for plan in plans} == {0, 1, 2}
    assert np.mean([not plan.titled for plan in plans]) == pytest.approx(0.25, abs=0.05)


def test_batches_are_full_of_packs_of_like_length():
    groups = make_groups({"da": 300})
    sampler = PackSampler(groups, make_settings(data=["a"]))

    def length(plan):
        return 10 + plan.group

    batches = plan_batches(sampler.draw, length, 100, np.random.default_rng(0))

    for batch in batches:
        sizes = [length(plan) for plan in batch]
        assert max(sizes) * len(sizes) <= 100
    spread = np.mean([max(sizes) - min(sizes) for sizes in ([length(plan) for plan in batch] for batch in batches)])
    assert spread < 4


def test_dev_plans_are_always_the_same():
    groups = make_groups({"da": 300})

    plans = fixed_plans(groups, 4, seed=0)

    assert plans == fixed_plans(groups, 4, seed=0)
    assert [plan.group for plan in plans] == list(range(30))
    assert {len(plan.queries) for plan in plans} == {4}
