"""Paragraphs of several files and languages become passages, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.evaluation.datasets.samples import lines, squad, write
from xqg.errors import InputError
from xqg.evaluation.datasets.formats import read_dataset
from xqg.evaluation.datasets.pools import write_pool
from xqg.evaluation.queries import read_queries

MLQA = Path(__file__).parents[4] / "shared" / "data" / "mlqa"


def test_mlqa_asks_in_one_language_about_another_and_not_about_all(tmp_path: Path) -> None:
    folder = tmp_path / "mlqa"
    write(folder / "test-context-en-question-en.json", squad(("A mill", {"1": ("Old?", "mill"), "2": ("Big?", "A")})))
    write(folder / "test-context-en-question-es.json", squad(("A mill", {"1": ("¿Vieja?", "mill")})))
    write(folder / "test-context-de-question-de.json", squad(("Eine Mühle", {"2": ("Groß?", "Eine")})))
    report = write_pool(read_dataset(folder), "en", tmp_path / "en")
    assert [(line["id"], line["language"]) for line in lines(tmp_path / "en/queries.jsonl")] == [
        ("2-de", "de"),
        ("1-en", "en"),
        ("2-en", "en"),
        ("1-es", "es"),
    ]
    assert report.passages == {"en": 1}
    report = write_pool(read_dataset(folder), "de", tmp_path / "de")
    assert [line["id"] for line in lines(tmp_path / "de/queries.jsonl")] == ["2-de", "2-en"]
    assert report.left_out == 2


@pytest.fixture
def cut_differently(tmp_path: Path) -> Path:
    """Two English paragraphs whose questions stand in one German paragraph; a Spanish one answers the first of them."""
    folder = tmp_path / "mlqa"
    mill, bridge = ("A mill", {"1": ("Old?", "mill")}), ("A bridge", {"2": ("Long?", "bridge")})
    write(folder / "dev-context-en-question-en.json", squad(mill, bridge))
    write(folder / "dev-context-en-question-de.json", squad(("A bridge", {"2": ("Lang?", "A")})))
    german = ("Mühle und Brücke", {"1": ("Old?", "Mühle"), "2": ("Long?", "Brücke")})
    write(folder / "dev-context-de-question-en.json", squad(german))
    write(folder / "dev-context-es-question-en.json", squad(("Un molino", {"1": ("Old?", "molino")})))
    return folder


def test_paragraphs_that_are_cut_differently_in_another_language_are_all_kept(
    cut_differently: Path, tmp_path: Path
) -> None:
    report = write_pool(read_dataset(cut_differently), "en", tmp_path / "en")
    assert [(line["id"], line["text"]) for line in lines(tmp_path / "en/passages.jsonl")] == [
        ("2", "A bridge"),
        ("1", "A mill"),
    ]
    labels = {line["id"]: (line["passage_id"], line["answers"]) for line in lines(tmp_path / "en/queries.jsonl")}
    assert labels == {
        "1-en": ("1", ["mill"]),
        "2-en": ("2", ["A", "bridge"]),
        "2-de": ("2", ["A", "bridge"]),
    }
    assert report.left_out == 0


def test_a_paragraph_of_two_others_answers_the_questions_of_both(cut_differently: Path, tmp_path: Path) -> None:
    write_pool(read_dataset(cut_differently), "de", tmp_path / "de")
    (passage,) = lines(tmp_path / "de/passages.jsonl")
    labels = {line["id"]: line["passage_id"] for line in lines(tmp_path / "de/queries.jsonl")}
    assert (passage["text"], labels) == ("Mühle und Brücke", dict.fromkeys(("1-en", "2-en", "2-de"), passage["id"]))
    report = write_pool(read_dataset(cut_differently), "all", tmp_path / "all")
    assert report.passages == {"de": 1, "en": 2, "es": 1}
    answering = {line["id"]: set(line["passage_id"]) for line in lines(tmp_path / "all/queries.jsonl")}
    german = f"{passage['id']}-de"
    assert answering == {"1-en": {german, "1-en", "1-es"}, "2-en": {german, "2-en"}, "2-de": {german, "2-en"}}


def test_the_lot_falls_on_a_language_that_answers_all_questions(cut_differently: Path, tmp_path: Path) -> None:
    drawn = set()
    for seed in range(20):
        report = write_pool(read_dataset(cut_differently), "mixed", tmp_path / "mixed", seed)
        assert (report.queries, report.left_out) == ({"de": 1, "en": 2}, 0)
        drawn |= {tuple(report.passages.items())}
    assert drawn == {(("en", 2),), (("de", 1),)}  # never the Spanish one, which leaves the second question alone


def test_a_question_may_be_answered_by_two_passages_of_a_language(tmp_path: Path) -> None:
    write(tmp_path / "a.en.json", squad(("A mill", {"1": ("Old?", "mill")}), ("The mill", {"1": ("Old?", "mill")})))
    write_pool(read_dataset(tmp_path / "a.en.json"), "en", tmp_path / "out")
    keys = [passage["id"] for passage in lines(tmp_path / "out/passages.jsonl")]
    (query,) = lines(tmp_path / "out/queries.jsonl")
    assert (len(set(keys)), query["passage_id"], query["answers"]) == (2, keys, ["mill"])


def test_a_question_with_two_texts_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "a.en.json", squad(("A mill", {"1": ("Old?", "mill")})))
    write(tmp_path / "b.en.json", squad(("A bridge", {"1": ("Long?", "bridge")})))
    with pytest.raises(InputError, match=r"b.en.json, line 1: the question '1' has another text"):
        read_dataset(tmp_path, "squad")


def test_an_empty_answer_is_no_answer(tmp_path: Path) -> None:
    write(tmp_path / "a.en.json", squad(("A mill", {"1": ("Old?", "")})))
    write_pool(read_dataset(tmp_path / "a.en.json"), "en", tmp_path / "out")
    (query,) = lines(tmp_path / "out/queries.jsonl")
    assert query == {"id": "1-en", "language": "en", "query": "Old?", "passage_id": "1"}
    assert len(read_queries(tmp_path / "out/queries.jsonl").queries) == 1


@pytest.mark.skipif(not MLQA.is_dir(), reason="MLQA is not beside the project")
def test_the_whole_mlqa_dev_folder_is_read_without_loss(tmp_path: Path) -> None:
    data = read_dataset(MLQA)
    report = write_pool(data, "en", tmp_path / "en")
    assert (report.passages, sum(report.queries.values()), report.left_out) == ({"en": 978}, 4199, 0)
    report = write_pool(data, "mixed", tmp_path / "mixed")
    assert (sum(report.queries.values()), report.left_out) == (4199, 0)
    report = write_pool(data, "all", tmp_path / "all")
    assert sum(report.passages.values()) == 3646
