from __future__ import annotations

import json

import numpy as np
import pytest

from xqg.errors import EncodingError, StoreError
from xqg.fusion.profile import EncoderProfile, encoder_profile


def profile() -> EncoderProfile:
    # Both languages' means lie in the plane of the last two axes; a question's topic is on the first.
    questions = np.array([[3, 4, 0], [-3, 4, 0], [6, 0, 8], [-6, 0, 8]], dtype=np.float32)
    passages = np.array([[0, 2, 0], [0, 0, 2], [4, 0, 0]], dtype=np.float32)
    return encoder_profile(questions, ["fr", "fr", "ja", "ja"], passages)


def test_the_basis_spans_the_mean_questions_of_the_languages() -> None:
    found = profile()
    assert found.languages == ("fr", "ja")
    projection = found.basis.T @ found.basis
    np.testing.assert_allclose(projection, np.diag([0, 1, 1]), atol=1e-6)


def test_the_constant_part_is_what_passages_have_of_it() -> None:
    found = profile()
    # projections at length 1: (0, 1, 0), (0, 0, 1) and nothing
    np.testing.assert_allclose(found.direction, [0, np.sqrt(0.5), np.sqrt(0.5)], atol=1e-6)
    assert found.share == pytest.approx(2 / 3)
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
        encoder_profile(np.array([[1, np.nan], [0, 1]], dtype=np.float32), ["fr", "ja"], good)
