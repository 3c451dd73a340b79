from __future__ import annotations

import numpy as np
import pytest

from xqg.errors import EncodingError
from xqg.ingest.fusion import fuse
from xqg.records import FusionRule, GeneratedQuery, Passage, owners

PASSAGES = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 4.0]], dtype=np.float32)
QUERIES = np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 4.0]], dtype=np.float32)
OWNERS = np.array([0, 0, 1])  # two queries, one, none


def test_sum_is_the_papers_formula_by_hand() -> None:
    fused = fuse(PASSAGES, QUERIES, OWNERS, FusionRule.SUM, 0.1)
    # 0.9*(1,0) + 0.1*((0,1)+(2,1)) ; 0.9*(0,2) + 0.1*(4,4) ; no query: unchanged
    expected = [[0.9 + 0.2, 0.2], [0.4, 1.8 + 0.4], [3.0, 4.0]]
    np.testing.assert_allclose(fused, expected, atol=1e-6)


def test_mean_does_not_depend_on_the_number_of_queries() -> None:
    fused = fuse(PASSAGES, QUERIES, OWNERS, FusionRule.MEAN, 0.5)
    expected = [[0.5 + 0.5, 0.5], [2.0, 1.0 + 2.0], [3.0, 4.0]]
    np.testing.assert_allclose(fused, expected, atol=1e-6)


def test_the_order_of_the_queries_does_not_matter() -> None:
    order = np.array([2, 0, 1])
    for rule in FusionRule:
        fused = fuse(PASSAGES, QUERIES[order], OWNERS[order], rule, 0.3)
        np.testing.assert_allclose(fused, fuse(PASSAGES, QUERIES, OWNERS, rule, 0.3), atol=1e-7)


@pytest.mark.parametrize("rule", list(FusionRule))
def test_no_queries_and_alpha_zero_leave_the_passages_alone(rule: FusionRule) -> None:
    none = np.empty((0, 2), dtype=np.float32)
    np.testing.assert_array_equal(fuse(PASSAGES, none, np.empty(0, dtype=np.int64), rule, 0.9), PASSAGES)
    np.testing.assert_array_equal(fuse(PASSAGES, QUERIES, OWNERS, rule, 0.0), PASSAGES)


def test_the_arguments_are_not_edited_and_the_result_is_float32() -> None:
    passages, queries = PASSAGES.copy(), QUERIES.copy()
    assert fuse(passages, queries, OWNERS, FusionRule.SUM, 0.2).dtype == np.float32
    np.testing.assert_array_equal(passages, PASSAGES)
    np.testing.assert_array_equal(queries, QUERIES)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_vectors_that_are_not_finite_are_refused(bad: float) -> None:
    broken = PASSAGES.copy()
    broken[1, 0] = bad
    with pytest.raises(EncodingError, match="passage vectors are not finite, the first at row 1"):
        fuse(broken, QUERIES, OWNERS, FusionRule.SUM, 0.1)
    broken = QUERIES.copy()
    broken[2, 1] = bad
    with pytest.raises(EncodingError, match="query vectors are not finite, the first at row 2"):
        fuse(PASSAGES, broken, OWNERS, FusionRule.SUM, 0.1)


def test_a_sum_that_overflows_is_refused() -> None:
    huge = np.full((3, 2), 3e38, dtype=np.float32)
    with pytest.raises(EncodingError, match="fused"), np.errstate(over="ignore"):
        fuse(PASSAGES[:1], huge, np.array([0, 0, 0]), FusionRule.SUM, 1.0)


def test_owners_finds_the_row_of_each_query() -> None:
    passages = [Passage("a", "x"), Passage("b", "y")]
    queries = [GeneratedQuery("b", "fr", "q"), GeneratedQuery("a", "fr", "q"), GeneratedQuery("b", "de", "q")]
    assert owners(passages, queries).tolist() == [1, 0, 1]
    with pytest.raises(KeyError):
        owners(passages, [GeneratedQuery("c", "fr", "q")])
