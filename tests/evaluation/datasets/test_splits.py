"""Splits are kept apart, and labels that match nothing are errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.evaluation.datasets.samples import XOR_TYDI, squad, write, write_lines
from xqg.errors import InputError, SettingsError
from xqg.evaluation.datasets.dataset import ReadingOptions
from xqg.evaluation.datasets.formats import read_dataset
from xqg.evaluation.datasets.pools import write_pool


class TestSplits:
    def test_of_xor_tydi_are_told_by_the_line_and_else_by_the_name(self, tmp_path: Path) -> None:
        train = {**XOR_TYDI[1], "id": "9"}
        del train["split"]
        write_lines(tmp_path / "xor/questions.jsonl", *XOR_TYDI)
        write_lines(tmp_path / "xor/xor_train_full.jsonl", train)
        with pytest.raises(SettingsError, match=r"holds the splits dev, train\. Name one with --split"):
            read_dataset(tmp_path / "xor")
        for split, expected in (("dev", ["7", "8"]), ("train", ["9"]), ("all", ["7", "8", "9"])):
            data = read_dataset(tmp_path / "xor", options=ReadingOptions(split=split))
            assert [question.id for question in data.questions] == expected

    def test_of_squad_files_are_told_by_their_names(self, tmp_path: Path) -> None:
        for split, key in (("dev", "1"), ("test", "2")):
            write(tmp_path / f"mlqa/{split}-context-en-question-de.json", squad((f"A {split}", {key: ("Alt?", split)})))
        with pytest.raises(SettingsError, match="holds the splits dev, test"):
            read_dataset(tmp_path / "mlqa")
        (question,) = read_dataset(tmp_path / "mlqa", options=ReadingOptions(split="test")).questions
        assert question.id == "2-de"

    def test_files_that_name_none_are_not_read_along_with_others(self, tmp_path: Path) -> None:
        write(tmp_path / "data/a.en.json", squad(("A mill", {"1": ("Old?", "mill")})))
        write(tmp_path / "data/train.en.json", squad(("A bridge", {"2": ("Long?", "bridge")})))
        with pytest.raises(SettingsError, match="holds the splits train and files that name none"):
            read_dataset(tmp_path / "data")
        (question,) = read_dataset(tmp_path / "data", options=ReadingOptions(split="train")).questions
        assert question.id == "2-en"

    def test_a_misspelt_one_is_an_error_that_names_those_found(self, beir: Path, xquad: Path) -> None:
        with pytest.raises(SettingsError, match=r"holds the splits test, train; expected the split 'tset'"):
            read_dataset(beir, options=ReadingOptions(language="en", split="tset"))
        with pytest.raises(SettingsError, match=r"holds no splits; expected the split .test.\. Drop --split"):
            read_dataset(xquad, options=ReadingOptions(split="test"))


def test_a_label_that_matches_no_passage_is_an_error(beir: Path, tmp_path: Path) -> None:
    with (beir / "qrels/test.tsv").open("a", encoding="utf-8") as file:
        file.write("2\tnowhere\t1\n")
    options = ReadingOptions(language="en", split="test")
    with pytest.raises(InputError, match=r"1 labels match no passage, 'nowhere' of the question '2'"):
        write_pool(read_dataset(beir, options=options), "fr", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_judged_question_without_its_text_is_an_error(beir: Path) -> None:
    with (beir / "qrels/test.tsv").open("a", encoding="utf-8") as file:
        file.write("nobody\ta\t1\n")
    with pytest.raises(InputError, match=r"1 judged questions are not in .*queries.jsonl, 'nobody' among them"):
        read_dataset(beir, options=ReadingOptions(language="en", split="test"))


def test_an_id_of_two_questions_is_an_error(tmp_path: Path) -> None:
    write_lines(tmp_path / "dev.jsonl", XOR_TYDI[0], XOR_TYDI[0])
    with pytest.raises(InputError, match="1 ids are used by several questions, '7'"):
        write_pool(read_dataset(tmp_path / "dev.jsonl"), "en", tmp_path / "out")
