from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.evaluation.sweep.samples import QUERIES, generated, material
from tests.fakes import FakeEncoder, fake_profile
from xqg.errors import InputError
from xqg.evaluation.queries import LabelledQuery
from xqg.evaluation.sweep.grid import HIT, PLAIN, Cell, best_passages, build, evaluate_stored
from xqg.evaluation.sweep.material import VectorCache, gather
from xqg.fusion.rules import StoredRows
from xqg.records import FusionRule, Passage

SUM = Cell(FusionRule.SUM, ("fr", "ja"), 0.5)


def test_plain_vectors_are_searched_exactly(tmp_path):
    found = evaluate_stored(material(tmp_path), build(material(tmp_path), PLAIN))
    # "password" finds neither: both score 0, and the earlier passage comes first
    assert [result.values[HIT] for result in found.results] == [1, 1, 1, 1]
    assert found.only(["ja"]).languages() == {"ja": 1}


def test_sum_by_hand_and_queries_in_the_passages_own_language_are_not_fused(tmp_path):
    stored = build(material(tmp_path), SUM).vectors
    # axes: battery, invoice, password, valve, …, refund: half of the passage and half of each French query
    np.testing.assert_allclose(stored[0], [1, 0.5, 0.5, 0.5, 0, 0, 0, 0])
    np.testing.assert_allclose(stored[1], [0.5, 1.5, 0, 0, 0, 0, 0, 0])


def test_the_first_texts_of_each_language_and_some_languages_only(tmp_path):
    first = build(material(tmp_path), Cell(FusionRule.SUM, ("fr",), 0.5, 1)).vectors
    np.testing.assert_allclose(first, [[1, 0.5, 0.5, 0, 0, 0, 0, 0], [1, 2, 0, 0, 0, 0, 0, 0]])


@pytest.mark.parametrize(("kind", "password", "wifi"), [("queries", 0.5, 0), ("passages", 0, 0.5), ("both", 0.5, 0.5)])
def test_generated_passages_are_fused_instead_of_queries_or_beside_them(tmp_path, kind, password, wifi):
    found = material(tmp_path, generated(("b", "fr", "password")), generated(("b", "fr", "wifi")))
    stored = build(found, Cell(FusionRule.SUM, ("fr",), 0.5, augment_with=kind)).vectors
    assert (stored[0][2], stored[0][4]) == (password, wifi)


def test_a_question_meets_the_view_nearest_to_it_without_the_language(tmp_path, monkeypatch):
    monkeypatch.setattr("xqg.evaluation.sweep.material.find_profile", fake_profile)
    passages = [Passage("a", "Battery battery now. Wifi is still there."), Passage("b", "wifi wifi " + "battery " * 3)]
    asked = [LabelledQuery("1", "fr", "wifi", {"a": 1})]
    found = gather(passages, {}, asked, VectorCache(FakeEncoder(), tmp_path), neutral=True)
    rows = {rule: build(found, Cell(rule, (), beta=0.3)) for rule in (FusionRule.NEUTRAL, FusionRule.VIEWS)}
    assert {rule.value: evaluate_stored(found, stored).means(HIT)["fr"] for rule, stored in rows.items()} == {
        "neutral": 0,  # wifi is 1 of a's 3 words, and 2 of b's 5
        "views": 1,
    }
    views = rows[FusionRule.VIEWS]
    assert views.owners.tolist() == [0, 0, 0, 1, 1]
    # base: unit(0.7 · (2, 1)/√5 + 0.3 · (1, 0)) = (0.9474, 0.3202); unit(0.7 · base + 0.3 · (0, 1)) = (0.7845, 0.6201),
    # of which 0.8 is left beside 0.6 on the language's axis
    np.testing.assert_allclose(views.vectors[2], [0.6276, 0, 0, 0, 0.4961, 0, 0.6, 0], atol=1e-4)


def test_the_rules_have_their_own_alpha_and_plain_has_nothing_fused(tmp_path):
    found = material(tmp_path)
    # the passage has 0.7 of it, the mean of its two French queries 0.3
    np.testing.assert_allclose(build(found, Cell(FusionRule.MEAN, ("fr",))).vectors[0][:4], [1.4, 0.7, 0.15, 0.15])
    np.testing.assert_array_equal(build(found, PLAIN).vectors, found.vectors)


def test_under_cosine_rows_have_length_one(tmp_path):
    found = replace(material(tmp_path), distance="cosine")
    np.testing.assert_allclose(np.linalg.norm(build(found, SUM).vectors, axis=1), 1, atol=1e-6)


def test_ten_passages_are_found_at_most_each_by_its_best_row():
    rows = np.array([*range(12), 0], dtype=np.float32)[:, None]
    owners = np.array([*range(12), 11])
    assert best_passages(np.ones((1, 1), dtype=np.float32), StoredRows(rows, owners)).tolist() == [
        list(range(11, 1, -1))
    ]


def test_queries_for_other_passages_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.evaluation.sweep.samples.PASSAGES", ())
    with pytest.raises(InputError, match=f"None of {len(QUERIES)} queries"):
        material(tmp_path)
