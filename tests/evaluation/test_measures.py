from __future__ import annotations

import math

import pytest

from xqg.evaluation.measures import ndcg, recall, reciprocal_rank, token_recall, word_tokens


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


def test_ndcg_by_hand() -> None:
    assert ndcg(["x", "a", "b"], {"a": 1}, 10) == pytest.approx(1 / math.log2(3))
    graded = (1 + 2 / math.log2(3)) / (2 + 1 / math.log2(3))
    assert ndcg(["b", "a"], {"a": 2, "b": 1}, 10) == pytest.approx(graded)
    assert ndcg([], {"a": 1}, 10) == 0
    assert ndcg([*map(str, range(10)), "a"], {"a": 1}, 10) == 0
    # the best order has ten of the eleven relevant ones
    assert ndcg(["a0"], {f"a{number}": 1 for number in range(11)}, 10) == pytest.approx(
        1 / sum(1 / math.log2(rank + 1) for rank in range(1, 11))
    )


class TestTokenRecall:
    texts = ("The tower was built in 1889.", "Gustave Eiffel was its engineer.")
    # The tower was built in 1889 . | Gustave Eiffel was its engineer .
    #   1     2   3     4  5    6 7          8      9  10  11       12 13

    def test_an_answer_of_several_tokens_is_found_where_all_of_them_are_in(self) -> None:
        assert token_recall(self.texts, ["Gustave Eiffel"], 9) == 1
        assert token_recall(self.texts, ["built in 1889"], 6) == 1

    def test_an_answer_that_crosses_the_cut_is_not_found(self) -> None:
        assert token_recall(self.texts, ["Gustave Eiffel"], 8) == 0

    def test_an_answer_may_reach_from_one_passage_into_the_next_as_in_the_tasks_script(self) -> None:
        assert token_recall(self.texts, ["1889 . Gustave"], 13) == 1

    def test_one_of_several_answers_is_enough_and_capitals_count(self) -> None:
        assert token_recall(self.texts, ["Sauvestre", "engineer"], 13) == 1
        assert token_recall(self.texts, ["gustave"], 13) == 0

    def test_an_answer_is_looked_for_as_it_is_written(self) -> None:
        assert token_recall(["in Paris, France"], ["Paris, France"], 10) == 0
        assert token_recall(["in Paris, France"], ["Paris , France"], 10) == 1

    def test_a_part_of_a_word_is_found_as_in_the_tasks_script(self) -> None:
        assert token_recall(self.texts, ["engine"], 13) == 1

    def test_no_hits_count_0(self) -> None:
        assert token_recall([], ["Eiffel"], 2000) == 0

    def test_yes_and_no_are_not_looked_for(self) -> None:
        assert token_recall(self.texts, ["yes"], 2000) is None
        assert token_recall(self.texts, [], 2000) is None
        assert token_recall(self.texts, ["no", "Eiffel"], 2000) == 1


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("It cost $3.88 in New York.", "It cost $ 3.88 in New York ."),
        ("It ended. Then it began.", "It ended . Then it began ."),
        ("Dr. Smith met J. R. Brown.", "Dr. Smith met J. R. Brown ."),
        ("in 1,234 towns, villages: 3:15", "in 1,234 towns , villages : 3:15"),
        ("They don't, she's, we'll; cannot", "They do n't , she 's , we 'll ; can not"),
        ('He said "no" (twice)!', "He said `` no '' ( twice ) !"),
        ("1990–1995 -- and so on...", "1990 – 1995 -- and so on ..."),
        ("the students' well-known wi-fi", "the students ' well-known wi-fi"),
        ("3.5 files. - one", "3.5 files . - one"),
        ("a version no. later", "a version no. later"),
        ("日本語の文章です。", "日本語の文章です。"),
        ("", ""),
        (" \n\t ", ""),
    ],
)
def test_tokens_are_those_of_the_penn_treebank(text: str, tokens: str) -> None:
    assert list(word_tokens(text)) == tokens.split()
