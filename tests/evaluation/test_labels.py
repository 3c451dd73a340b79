"""Labels have to match passages of the collection, found or not."""

from __future__ import annotations

import pytest

from tests.evaluation.samples import make_searcher
from xqg.errors import InputError
from xqg.evaluation.evaluate import evaluate
from xqg.evaluation.labels import check_labels
from xqg.evaluation.queries import LabelledQuery

TEXTS = {"a": "battery", "b": "invoice", "doc#1": "wifi", "doc#2": "wifi wifi", "c": "refund"}


def check(*relevant: str) -> None:
    """Search one passage deep, so that most are not found, and check the labels."""
    searcher = make_searcher(TEXTS)
    queries = [LabelledQuery(f"q{key}", "fr", "battery", {key: 1}) for key in relevant]
    check_labels(searcher, evaluate(searcher, queries, depth=1), "help")


def test_passages_chunks_and_documents_match_found_or_not() -> None:
    check("a", "b", "c", "doc", "doc#2")


def test_what_matches_nothing_is_told_with_its_number_and_an_example() -> None:
    message = r"2 of 4 labels match no passage of collection 'help', 'd' of the query 'qd' among them.*Ingest"
    with pytest.raises(InputError, match=message):
        check("a", "d", "doc#3", "b")


def test_answers_need_no_passage() -> None:
    searcher = make_searcher(TEXTS)
    check_labels(searcher, evaluate(searcher, [LabelledQuery("1", "fr", "wifi", answers=("wifi",))]), "help")
