from __future__ import annotations

import json

import numpy as np
import pytest

from xqg.errors import EncodingError, StoreError
from xqg.fusion.profile import MOST_DIRECTIONS, EncoderProfile, encoder_profile


def profile() -> EncoderProfile:
    # All means lie in the plane of the middle axes; a question's topic is on the first. As passages the texts lie on
    # the second axis alone, whatever their language.
    questions = np.array([[3, 4, 0, 0], [-3, 4, 0, 0], [6, 0, 8, 0], [-6, 0, 8, 0]], dtype=np.float32)
    as_passages = np.array([[0, 1, 0, 0]] * 4, dtype=np.float32)
    passages = np.array([[0, 2, 0, 0], [0, 0, 2, 0], [4, 0, 0, 0]], dtype=np.float32)
    return encoder_profile(questions, as_passages, ["fr", "fr", "ja", "ja"], passages)


def test_the_basis_spans_the_mean_questions_of_the_languages() -> None:
    found = profile()
    assert found.languages == ("fr", "ja")
    projection = found.basis.T @ found.basis
    np.testing.assert_allclose(projection, np.diag([0, 1, 1, 0]), atol=1e-6)


def test_the_constant_part_is_what_passages_have_of_it() -> None:
    found = profile()
    # projections at length 1: (0, 1, 0), (0, 0, 1) and nothing
    np.testing.assert_allclose(found.direction, [0, np.sqrt(0.5), np.sqrt(0.5), 0], atol=1e-6)
    assert found.share == pytest.approx(2 / 3 * 0.97)  # somewhat less, since the best of several rows scores higher
    assert found.scale == pytest.approx((2 + 2 + 4) / 3)


def test_it_is_stored_bit_for_bit() -> None:
    found = profile()
    again = EncoderProfile.from_json(json.loads(json.dumps(found.to_json())))
    assert again.to_json() == found.to_json()
    assert again.digest == found.digest
    assert np.array_equal(again.basis, found.basis)


@pytest.mark.parametrize(
    "change",
    [
        {"basis": {"shape": [2, 2], "float32": "AAAA"}},
        {"share": 1.5},
        {"share": "much"},
        {"scale": 0},
        {"direction": None},
        {"basis": {"shape": [1, 1], "float32": "AADAfw=="}},  # NaN
    ],
)
def test_a_damaged_one_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(StoreError, match="encoder profile is damaged"):
        EncoderProfile.from_json({**profile().to_json(), **change})


def test_vectors_that_are_not_finite_are_refused() -> None:
    good = np.eye(2, dtype=np.float32)
    with pytest.raises(EncodingError, match="question vectors are not finite"):
        encoder_profile(np.array([[1, np.nan], [0, 1]], dtype=np.float32), good, ["fr", "ja"], good)


def test_a_direction_that_only_passages_have_is_part_of_it() -> None:
    questions, passages = np.eye(4, dtype=np.float32)[[0, 1]], np.eye(4, dtype=np.float32)[[0, 2]]
    found = encoder_profile(questions, passages, ["fr", "ja"], questions)
    np.testing.assert_allclose(found.basis.T @ found.basis, np.diag([1, 1, 1, 0]), atol=1e-6)


def test_directions_in_which_texts_of_one_language_vary_count_less() -> None:
    texts = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0]] * 2, dtype=np.float32)
    found = encoder_profile(texts, texts, ["fr"] * 3 + ["ja"] * 3, texts)
    # mean ~ (2, 1, 0), covariance 1.5 · [[1, -1], [-1, 1]] in units of its mean; (6·I + it)⁻¹ · mean ~ (11, 7, 0)
    np.testing.assert_allclose(np.abs(found.basis), np.array([[11, 7, 0]]) / np.sqrt(170), atol=1e-6)


def test_only_the_largest_directions_are_taken() -> None:
    languages = [str(number) for number in range(40)]
    strength = np.linspace(1, 0.1, 40)[:, None]
    questions = np.hstack([strength * np.eye(40), np.sqrt(1 - strength**2)]).astype(np.float32)
    assert encoder_profile(questions, questions, languages, questions).basis.shape == (MOST_DIRECTIONS, 41)
