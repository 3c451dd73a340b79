from __future__ import annotations

import pytest

from tests.evaluation.samples import make_searcher
from tests.fakes import FakeEncoder, FakeStore
from xqg.errors import InputError
from xqg.evaluation.evaluate import Evaluation, QueryResult, check_labels, evaluate
from xqg.evaluation.queries import LabelledQuery
from xqg.records import Hit, Passage
from xqg.search.searcher import Searcher

TEXTS = {"a": "battery", "b": "invoice invoice", "c": "wifi"}


def query(key: str, language: str, text: str, relevant: str = "", answers: tuple[str, ...] = ()) -> LabelledQuery:
    return LabelledQuery(key, language, text, {relevant: 1} if relevant else {}, answers)


def test_records_first_and_means_by_hand() -> None:
    queries = [
        query("1", "fr", "invoice", "b"),  # rank 1
        query("2", "fr", "invoice battery", "a"),  # rank 2
        query("3", "ja", "wifi", "missing"),  # never found: 0
    ]
    found = evaluate(make_searcher(TEXTS), queries)
    assert [result.values["MRR@10"] for result in found.results] == [1, 0.5, 0]
    assert [document.id for document in found.results[1].ranking] == ["b", "a", "c"]
    assert found.means("MRR@10") == {"macro": 0.375, "fr": 0.75, "ja": 0}
    assert found.means("recall@1") == {"macro": 0.25, "fr": 0.5, "ja": 0}
    assert found.languages() == {"fr": 2, "ja": 1}


class NoHits(FakeStore):
    def search(self, vectors, limit, filters=(), exact=False, language=None):
        return [[] for _ in vectors]


def test_a_query_with_no_hits_counts_0_in_every_measure() -> None:
    store = NoHits()
    (result,) = evaluate(Searcher(FakeEncoder(), store), [query("1", "fr", "wifi", "c", ("wifi",))]).results
    assert set(result.values.values()) == {0}
    assert set(result.values) == {
        *("R@2kt", "R@5kt", "recall@1", "recall@5", "recall@10", "recall@100", "MRR@10", "nDCG@10")
    }


def test_each_label_has_its_measures() -> None:
    found = evaluate(make_searcher(TEXTS), [query("1", "fr", "wifi", "c"), query("2", "fr", "wifi", "", ("wifi",))])
    assert set(found.results[0].values) & {"R@2kt", "R@5kt"} == set()
    assert set(found.results[1].values) == {"R@2kt", "R@5kt"}
    assert found.means("R@2kt") == {"macro": 1, "fr": 1}
    assert found.means("MRR@10") == {"macro": 1, "fr": 1}


def test_a_measure_that_nobody_has_a_label_for_has_no_mean() -> None:
    found = evaluate(make_searcher(TEXTS), [query("1", "fr", "wifi", "c")])
    assert found.means("R@2kt") == {}
    assert "R@2kt" not in found.measures()


def test_chunks_count_as_their_document_once_at_the_best_rank() -> None:
    texts = {"doc#1": "wifi wifi wifi", "doc#2": "wifi wifi", "other": "wifi"}
    (result,) = evaluate(make_searcher(texts), [query("1", "fr", "wifi", "other")]).results
    assert [document.id for document in result.ranking] == ["doc", "other"]
    assert result.values["MRR@10"] == 0.5


def test_a_relevant_chunk_counts_by_itself() -> None:
    texts = {"doc#1": "wifi wifi wifi", "doc#2": "wifi wifi", "other": "wifi"}
    (result,) = evaluate(make_searcher(texts), [query("1", "fr", "wifi", "doc#2")]).results
    assert result.values["MRR@10"] == 0.5


def test_a_score_that_is_not_finite_never_ranks_first() -> None:
    queries = [query("1", "fr", "battery", "a"), query("2", "fr", "invoice", "b")]
    found = evaluate(make_searcher(TEXTS, broken=["a"]), queries)
    assert [result.values["MRR@10"] for result in found.results] == [0, 1]


class Nan(FakeStore):
    def search(self, vectors, limit, filters=(), exact=False, language=None):
        scores = [float("nan"), float("inf"), 0.5]
        hits = [Hit(rank, score, Passage(f"p{rank}", "x")) for rank, score in enumerate(scores, start=1)]
        return [hits for _ in vectors]


def test_hits_with_nan_or_infinity_are_no_hits() -> None:
    (result,) = evaluate(Searcher(FakeEncoder(), Nan()), [query("1", "fr", "wifi", "p1")]).results
    assert [document.id for document in result.ranking] == ["p3"]
    assert result.values["MRR@10"] == 0


class Spy(FakeStore):
    def search(self, vectors, limit, filters=(), exact=False, language=None):
        self.seen = (limit, exact)
        return [[] for _ in vectors]


def test_search_is_100_deep_and_as_users_search_unless_told_otherwise() -> None:
    store = Spy()
    evaluate(Searcher(FakeEncoder(), store), [query("1", "fr", "wifi", "c")])
    assert store.seen == (100, False)
    evaluate(Searcher(FakeEncoder(), store), [query("1", "fr", "wifi", "c")], depth=10, exact=True)
    assert store.seen == (10, True)


def test_progress_after_every_batch() -> None:
    seen: list[int] = []
    queries = [query(str(number), "fr", "wifi", "c") for number in range(33)]
    evaluate(make_searcher(TEXTS), queries, progress=seen.append)
    assert seen == [32, 33]


def test_each_language_counts_the_same_in_the_macro_average() -> None:
    results = [
        QueryResult(query(str(n), code, "x"), (), {"MRR@10": value})
        for n, (code, value) in enumerate([("fr", 1.0), ("fr", 1.0), ("fr", 1.0), ("ja", 0.0)])
    ]
    assert Evaluation(tuple(results)).means("MRR@10")["macro"] == 0.5


LABELLED = {"a": "battery", "b": "invoice", "doc#1": "wifi", "doc#2": "wifi wifi", "c": "refund"}


def check(*relevant: str) -> None:
    """Search one passage deep, so that most are not found, and check the labels."""
    searcher = make_searcher(LABELLED)
    queries = [LabelledQuery(f"q{key}", "fr", "battery", {key: 1}) for key in relevant]
    check_labels(searcher, evaluate(searcher, queries, depth=1), "help")


def test_passages_chunks_and_documents_match_found_or_not() -> None:
    check("a", "b", "c", "doc", "doc#2")


def test_what_matches_nothing_is_told_with_its_number_and_an_example() -> None:
    message = r"2 of 4 labels match no passage of collection 'help', 'd' of the query 'qd' among them.*Ingest"
    with pytest.raises(InputError, match=message):
        check("a", "d", "doc#3", "b")


def test_answers_need_no_passage() -> None:
    searcher = make_searcher(LABELLED)
    check_labels(searcher, evaluate(searcher, [LabelledQuery("1", "fr", "wifi", answers=("wifi",))]), "help")
