from __future__ import annotations

import numpy as np
import pytest
from xqg.ingest.calibration import DEFAULT_ALPHA

from tests.sweep.samples import QUERIES, TEXTS, generated, material
from xqg.errors import InputError
from xqg.evaluation.measures import MRR
from xqg.records import FusionRule
from xqg.sweep import cells
from xqg.sweep.cells import HIT, Cell, best_rows, build, evaluate_stored, only_languages, plain

SUM = Cell(FusionRule.SUM, ("fr", "ja"), 0.5)


def test_plain_vectors_are_searched_exactly(tmp_path):
    found = evaluate_stored(material(tmp_path), plain(material(tmp_path)))
    # "password" finds neither: both score 0, and the earlier passage comes first
    assert [result.values[HIT] for result in found.results] == [1, 1, 1, 1]
    assert only_languages(found, ["ja"]).languages() == {"ja": 1}


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


def test_too_small_a_sample_falls_back_to_mean(tmp_path):
    stored = build(material(tmp_path), Cell(FusionRule.NEUTRAL, ("fr", "ja")))
    assert (stored.fusion.rule, stored.fusion.alpha) == (FusionRule.MEAN, DEFAULT_ALPHA)


def test_with_passages_nothing_is_held_out_and_the_weights_are_the_defaults(tmp_path, monkeypatch):
    wishes = []

    def calibrate(sample, wish):
        wishes.append((wish.alpha, wish.share, len(sample.queries)))
        return real(sample, wish)

    real = cells.calibrate
    monkeypatch.setattr(cells, "calibrate", calibrate)
    found = material(tmp_path, TEXTS, generated(("b", "fr", "wifi")))
    for kind in ("queries", "passages", "both"):
        build(found, Cell(FusionRule.NEUTRAL, ("fr",), augment_with=kind))
    assert wishes == [(None, None, 4), (DEFAULT_ALPHA, 1.0, 1), (None, None, 4)]


def test_each_language_is_asked_of_its_own_vectors(tmp_path):
    found = material(tmp_path)
    base = plain(found)
    swapped = cells.Stored(base.vectors, {"ja": base.vectors[::-1]}, base.fusion)
    evaluation = evaluate_stored(found, swapped)
    assert evaluation.means(MRR) == {"macro": pytest.approx((1 + 1 + 0.5) / 3), "en": 1, "fr": 1, "ja": 0.5}


def test_ten_are_found_at_most():
    stored = np.arange(12, dtype=np.float32)[:, None]
    assert best_rows(np.ones((1, 1), dtype=np.float32), stored).tolist() == [list(range(11, 1, -1))]


def test_queries_for_other_passages_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.sweep.samples.PASSAGES", ())
    with pytest.raises(InputError, match=f"None of {len(QUERIES)} queries"):
        material(tmp_path)
