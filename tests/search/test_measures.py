from __future__ import annotations

import pytest

from xqg.search.measures import recall, reciprocal_rank


def test_recall_by_hand() -> None:
    ranked = ["c", "a", "d", "b"]
    assert recall(ranked, ["a", "b"], 1) == 0
    assert recall(ranked, ["a", "b"], 2) == 0.5
    assert recall(ranked, ["a", "b"], 4) == 1
    assert recall([], ["a"], 10) == 0
    with pytest.raises(ValueError, match="at least one"):
        recall(ranked, [], 1)


def test_reciprocal_rank_by_hand() -> None:
    assert reciprocal_rank(["c", "a", "b"], ["a", "b"], 10) == 0.5
    assert reciprocal_rank(["c", "a", "b"], ["b"], 2) == 0
    assert reciprocal_rank([], ["b"], 10) == 0


def test_a_passage_listed_twice_counts_once() -> None:
    assert recall(["a", "a", "b"], ["a", "b"], 2) == 0.5
