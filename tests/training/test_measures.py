import numpy as np
import pytest

from xqg.training.query_measures import QueryMeasures, distinct_bigrams, macro_average, measure_queries, own_ranks

PASSAGES = np.array([[1, 0], [0, 1], [0.5, 0.5], [1, 0]], dtype=np.float32)


@pytest.mark.parametrize(
    ("query", "own", "rank"),
    [
        ([0, 1], 1, 1),  # scores 0, 1, 0.5, 0
        ([0, 1], 2, 2),
        ([0, 1], 0, 3),  # ties with the fourth, which is later
        ([1, 0], 0, 1),  # ties for the first place
        ([1, 0], 3, 2),
        ([1, 0.2], 2, 3),  # 1, 0.2, 0.6, 1
        ([0, 0], 1, 2),  # a query that says nothing finds the passages in their order
    ],
)
def test_ranks_of_the_own_passage(query, own, rank):
    assert own_ranks(np.array([query], dtype=np.float32), PASSAGES, np.array([own])).tolist() == [rank]


def test_ranks_of_several_queries_and_of_none():
    queries = np.array([[0, 1], [1, 0]], dtype=np.float32)
    assert own_ranks(queries, PASSAGES, np.array([1, 2])).tolist() == [1, 3]
    assert own_ranks(queries[:0], PASSAGES, np.array([], dtype=np.int64)).tolist() == []


@pytest.mark.parametrize(
    ("texts", "value"),
    [
        (["Who built the mill?"], 1.0),
        (["Who built the mill?", "who built  the bridge"], 4 / 6),  # who-built and built-the come twice
        (["a b a b a"], 2 / 4),
        (["mill", ""], 0.0),
        ([], 0.0),
        (["谁建的"], 1.0),  # 谁建, 建的
        (["谁建谁建"], 2 / 3),
        (["कौन है", "कौन है"], 1 / 2),  # vowel signs do not break words
        (["année dernière", "anne\u0301e dernie\u0300re"], 1 / 2),  # the same in two spellings
    ],
)
def test_distinct_bigrams(texts, value):
    assert distinct_bigrams(texts) == pytest.approx(value)


def test_measures_of_one_language():
    found = measure_queries(["ab", "abcd", "abc"], [True, False, True], [1, 10, 11], asked=4, distinct_2=0.5)
    assert found == QueryMeasures(3, 0.75, pytest.approx(2 / 3), pytest.approx(1 / 3), pytest.approx(2 / 3), 0.5, 3.0)
    assert measure_queries([], [], [], asked=4, distinct_2=0.0) == QueryMeasures(0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    assert measure_queries(["a"], [True], [1], asked=None, distinct_2=0.0).kept is None


def test_each_language_counts_the_same_in_the_macro_average():
    many = QueryMeasures(30, 1.0, 1.0, 0.8, 1.0, 0.9, 40.0)
    few = QueryMeasures(1, 0.5, 0.0, 0.2, 0.5, 0.7, 20.0)
    average = macro_average([many, few])
    assert average == QueryMeasures(31, 0.75, 0.5, 0.5, 0.75, pytest.approx(0.8), 30.0)
