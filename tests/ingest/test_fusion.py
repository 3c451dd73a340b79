from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from xqg.errors import EncodingError, SettingsError
from xqg.ingest.fusion import Fusion, fuse, fuse_by_language
from xqg.ingest.subspace import LanguageSpace
from xqg.records import FusionRule, GeneratedQuery, Passage, Vectors, owners

PASSAGES = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 4.0]], dtype=np.float32)
QUERIES = np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 4.0]], dtype=np.float32)
OWNERS = np.array([0, 0, 1])  # two queries, one, none
FRENCH = ["fr", "fr", "fr"]
SUM, MEAN = Fusion(FusionRule.SUM, 0.1), Fusion(FusionRule.MEAN, 0.5)

# The third axis is "French"; what is asked lies in the other two.
SPACE = LanguageSpace(("fr",), array := np.array([[0.0, 0.0, 2.0]], dtype=np.float32), array / 2)
NEUTRAL = Fusion(FusionRule.NEUTRAL, 0.25, prior=1.0, share=1.0, renormalise=True, space=SPACE)


def vectors(*rows: list[float]) -> Vectors:
    return np.array(rows, dtype=np.float32)


def test_sum_is_the_papers_formula_by_hand() -> None:
    fused = fuse(PASSAGES, QUERIES, OWNERS, FRENCH, SUM)
    # 0.9*(1,0) + 0.1*((0,1)+(2,1)) ; 0.9*(0,2) + 0.1*(4,4) ; no query: unchanged
    expected = [[0.9 + 0.2, 0.2], [0.4, 1.8 + 0.4], [3.0, 4.0]]
    np.testing.assert_allclose(fused, expected, atol=1e-6)


def test_mean_does_not_depend_on_the_number_of_queries() -> None:
    fused = fuse(PASSAGES, QUERIES, OWNERS, FRENCH, MEAN)
    expected = [[0.5 + 0.5, 0.5], [2.0, 1.0 + 2.0], [3.0, 4.0]]
    np.testing.assert_allclose(fused, expected, atol=1e-6)


def test_mean_with_a_prior_shrinks_towards_the_language_means() -> None:
    space = LanguageSpace(("fr", "ja"), vectors([2, 0], [0, 4]), vectors([1, 0]))
    fusion = Fusion(FusionRule.MEAN, 0.5, prior=1.0, space=space)
    fused = fuse(vectors([0, 0], [0, 0]), vectors([4, 2], [2, 4]), np.array([0, 0]), ["fr", "fr"], fusion)
    # first: French ((4,2)+(2,4)+(2,0))/3 = (8/3, 2), Japanese (0,4); second: (2,0) and (0,4); halves of halves
    np.testing.assert_allclose(fused, [[8 / 3 / 4, 6 / 4], [2 / 4, 4 / 4]], atol=1e-6)


def test_neutral_removes_the_language_and_mixes_unit_vectors() -> None:
    passages = vectors([3, 0, 4], [0, 5, 1])
    fused = fuse(passages, vectors([0, 2, 9]), np.array([0]), ["fr"], NEUTRAL)
    # passage (3,0,·) -> (1,0); its query, with one pseudo-query (0,0,2): (0,1,·) -> (0,1), trusted by a half
    mixed = np.array([0.75, 0.25 * 0.5, 0.0])
    np.testing.assert_allclose(fused, [mixed / np.linalg.norm(mixed), [0, 1, 0]], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(fused, axis=1), 1.0, atol=1e-6)


def test_neutral_without_renormalisation_leaves_the_lengths() -> None:
    fusion = replace(NEUTRAL, share=0.5, renormalise=False)
    fused = fuse(vectors([3, 0, 4], [0, 5, 1]), vectors([0, 2, 9]), np.array([0]), ["fr"], fusion)
    # mean of (0,2,9) and (0,0,2): (0,1,5.5); half of the third axis is taken from both
    np.testing.assert_allclose(fused, [[0.75 * 3, 0.25, 0.75 * 2 + 0.25 * 2.75], [0, 5, 0.5]], atol=1e-6)


def test_a_passage_wholly_in_the_subspace_stays_as_it_was() -> None:
    fused = fuse(vectors([0, 0, 7]), np.empty((0, 3), dtype=np.float32), np.empty(0, dtype=np.int64), [], NEUTRAL)
    np.testing.assert_allclose(fused, [[0, 0, 1]], atol=1e-6)


def test_queries_in_a_language_that_was_not_calibrated_are_left_out() -> None:
    passages, asked = vectors([3, 0, 4]), vectors([0, 2, 9], [5, 5, 5])
    both = fuse(passages, asked, np.array([0, 0]), ["fr", "ko"], NEUTRAL)
    np.testing.assert_array_equal(both, fuse(passages, asked[:1], np.array([0]), ["fr"], NEUTRAL))


def test_each_language_gets_a_vector_of_its_own_queries() -> None:
    space = LanguageSpace(("fr", "ja"), vectors([0, 0, 2], [0, 0, 4]), vectors([0, 0, 1]))
    fusion = Fusion(FusionRule.PER_LANGUAGE, 0.5, share=1.0, renormalise=True, space=space)
    asked = vectors([0, 2, 9], [7, 0, 1])
    found = fuse_by_language(vectors([3, 0, 4]), asked, np.array([0, 0]), ["fr", "ja"], fusion)
    half = np.sqrt(0.5)
    np.testing.assert_allclose(found["fr"], [[half, half, 0]], atol=1e-6)
    np.testing.assert_allclose(found["ja"], [[1, 0, 0]], atol=1e-6)
    with pytest.raises(SettingsError, match="calibration"):
        fuse_by_language(vectors([3, 0, 4]), asked, np.array([0, 0]), ["fr", "ja"], MEAN)


@pytest.mark.parametrize(
    "lacking", [{"rule": FusionRule.PER_LANGUAGE}, {"rule": FusionRule.NEUTRAL, "share": 1.0}, {"prior": 1.0}]
)
def test_what_needs_a_calibration_is_refused_without_one(lacking: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match="needs the mean query of each language"):
        replace(MEAN, **lacking)  # type: ignore[arg-type]


@pytest.mark.parametrize("fusion", [SUM, MEAN, NEUTRAL])
def test_the_order_of_the_queries_does_not_matter(fusion: Fusion) -> None:
    passages, asked = vectors([3, 0, 4], [0, 5, 1]), vectors([0, 2, 9], [1, 1, 1], [4, 0, 0])
    order = np.array([2, 0, 1])
    fused = fuse(passages, asked[order], OWNERS[order], FRENCH, fusion)
    np.testing.assert_allclose(fused, fuse(passages, asked, OWNERS, FRENCH, fusion), atol=1e-7)


@pytest.mark.parametrize("rule", [FusionRule.SUM, FusionRule.MEAN, FusionRule.NEUTRAL])
def test_no_queries_and_alpha_zero_leave_the_passages_alone(rule: FusionRule) -> None:
    none = np.empty((0, 2), dtype=np.float32)
    np.testing.assert_array_equal(fuse(PASSAGES, none, np.empty(0, dtype=np.int64), [], Fusion(rule, 0.9)), PASSAGES)
    np.testing.assert_array_equal(fuse(PASSAGES, QUERIES, OWNERS, FRENCH, Fusion(rule, 0.0)), PASSAGES)


def test_the_arguments_are_not_edited_and_the_result_is_float32() -> None:
    passages, queries = PASSAGES.copy(), QUERIES.copy()
    assert fuse(passages, queries, OWNERS, FRENCH, SUM).dtype == np.float32
    np.testing.assert_array_equal(passages, PASSAGES)
    np.testing.assert_array_equal(queries, QUERIES)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_vectors_that_are_not_finite_are_refused(bad: float) -> None:
    broken = PASSAGES.copy()
    broken[1, 0] = bad
    with pytest.raises(EncodingError, match="passage vectors are not finite, the first at row 1"):
        fuse(broken, QUERIES, OWNERS, FRENCH, SUM)
    broken = QUERIES.copy()
    broken[2, 1] = bad
    with pytest.raises(EncodingError, match="query vectors are not finite, the first at row 2"):
        fuse(PASSAGES, broken, OWNERS, FRENCH, SUM)


def test_a_sum_that_overflows_is_refused() -> None:
    huge = np.full((3, 2), 3e38, dtype=np.float32)
    with pytest.raises(EncodingError, match="fused"), np.errstate(over="ignore"):
        fuse(PASSAGES[:1], huge, np.array([0, 0, 0]), FRENCH, Fusion(FusionRule.SUM, 1.0))


def test_owners_finds_the_row_of_each_query() -> None:
    passages = [Passage("a", "x"), Passage("b", "y")]
    queries = [GeneratedQuery("b", "fr", "q"), GeneratedQuery("a", "fr", "q"), GeneratedQuery("b", "de", "q")]
    assert owners(passages, queries).tolist() == [1, 0, 1]
    with pytest.raises(KeyError):
        owners(passages, [GeneratedQuery("c", "fr", "q")])
