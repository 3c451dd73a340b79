from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from xqg.errors import InputError
from xqg.evaluation.queries import LabelledQuery, read_queries


def write(path: Path, *records: Any) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def test_our_own_format(tmp_path: Path) -> None:
    path = write(
        tmp_path / "queries.jsonl",
        {"id": "1", "language": "fr", "query": "Quoi ?", "passage_id": "a"},
        {"id": "2", "language": "ja", "query": "何？", "passage_id": ["a", "b"], "answers": ["1889"]},
        {"id": 3, "language": "ja", "query": "何？", "answers": ["x", "x"]},
        {"id": "4", "language": "ja", "query": "何？"},
        {"id": "5", "language": "ja", "query": "何？", "answers": ["yes"]},
    )
    read = read_queries(path)
    assert read.queries == (
        LabelledQuery("1", "fr", "Quoi ?", {"a": 1}),
        LabelledQuery("2", "ja", "何？", {"a": 1, "b": 1}, ("1889",)),
        LabelledQuery("3", "ja", "何？", {}, ("x",)),
    )
    assert read.unlabelled == 2


def test_numbers_accents_and_tags_are_read_as_in_a_corpus(tmp_path: Path) -> None:
    path = tmp_path / "queries.json"
    records = [
        {"id": 1.0, "language": "pt-BR", "query": "Q", "passage_id": [101, 102.0, "103.0", "cafe\u0301.md"]},
        {"id": "2", "lang": ["eng"], "query": "Q", "answers": [1889, "x"]},
        {"id": "3", "language": "tlh", "query": "Q", "passage_id": "a"},
        {"id": "4", "language": "unknown", "query": "Q", "passage_id": "a"},
    ]
    path.write_text(json.dumps(records, indent=1), encoding="utf-8")
    assert read_queries(path, language="FRA").queries == (
        LabelledQuery("1", "pt", "Q", {"101": 1, "102": 1, "103": 1, "caf\u00e9.md": 1}),
        LabelledQuery("2", "en", "Q", {}, ("1889", "x")),
        LabelledQuery("3", "tlh", "Q", {"a": 1}),
        LabelledQuery("4", "fr", "Q", {"a": 1}),
    )


BEIR_QUERIES = (
    {"_id": "1", "text": "Quoi ?", "metadata": {"language": "fr"}},
    {"_id": "2", "text": "What?"},
    {"_id": "3", "text": "Why?"},
)


@pytest.mark.parametrize(
    "qrels",
    [
        "query-id\tcorpus-id\tscore\n1\ta\t2\n1\tb\t0\n2\tc\t1\n",
        "1 0 a 2\n1 0 b 0\n2 0 c 1\n",
        "1\t0\ta\t2\n2\t0\tc\t1\n\n",
        "1\ta\t2\n2\tc\t1\n",
        "1.0\ta\t2.0\n2.0\tc\t1.0\n",
    ],
    ids=["beir", "trec", "trec with tabs", "no header", "numbers as pandas writes them"],
)
def test_beir_queries_with_judgements(tmp_path: Path, qrels: str) -> None:
    path = write(tmp_path / "queries.jsonl", *BEIR_QUERIES)
    (tmp_path / "test.tsv").write_text(qrels, encoding="utf-8")
    read = read_queries(path, tmp_path / "test.tsv")
    assert read.queries == (LabelledQuery("1", "fr", "Quoi ?", {"a": 2}), LabelledQuery("2", "und", "What?", {"c": 1}))
    assert read.unlabelled == 1
    assert read_queries(path, tmp_path / "test.tsv", "en").queries[1].language == "en"


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"language": "fr", "query": "Quoi ?", "passage_id": "a"}, "line 2: the query has no id"),
        ({"id": "2", "query": " ", "passage_id": "a"}, "line 2: the query is empty"),
        ({"id": "2", "query": "Q", "passage_id": {}}, "line 2: passage_id is neither"),
        ({"id": "2", "query": "Q", "passage_id": ["a", ""]}, "line 2: passage_id is empty"),
        ({"id": float("nan"), "query": "Q", "passage_id": "a"}, "line 2: the query's id is nan"),
        ({"id": "2", "query": "Q" * 10_001, "passage_id": "a"}, "line 2: the query is 10001 characters long"),
        ({"id": "2", "query": "\ud800", "passage_id": "a"}, "line 2: the query has a lone surrogate"),
        ({"id": "2", "query": "Q", "answers": [""]}, "line 2: answers is neither"),
        ({"id": "2", "query": "Q", "language": 3, "passage_id": "a"}, "line 2: the language is 3"),
        ({"id": "1", "query": "Q", "passage_id": "a"}, "line 2: the id '1' was used before"),
        ([1], "line 2: no JSON object"),
    ],
)
def test_a_line_that_is_no_query_is_an_error_with_its_place(tmp_path: Path, record: Any, message: str) -> None:
    path = write(tmp_path / "queries.jsonl", {"id": "1", "query": "Q", "passage_id": "a"}, record)
    with pytest.raises(InputError, match=message):
        read_queries(path)


def test_judgements_that_cannot_be_read_are_an_error_with_their_place(tmp_path: Path) -> None:
    path = write(tmp_path / "queries.jsonl", *BEIR_QUERIES)
    (tmp_path / "test.tsv").write_text("1\ta\t1\nbroken\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"test\.tsv, line 2: no judgement"):
        read_queries(path, tmp_path / "test.tsv")


def test_queries_without_any_label_are_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "queries.jsonl", *BEIR_QUERIES)
    with pytest.raises(InputError, match="3 queries, and none has a label"):
        read_queries(path)
    (tmp_path / "test.tsv").write_text("9\ta\t1\n", encoding="utf-8")
    with pytest.raises(InputError, match="none has a label in"):
        read_queries(path, tmp_path / "test.tsv")
