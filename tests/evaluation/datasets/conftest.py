"""Folders as they are published."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tests.evaluation.datasets.samples import squad, write, write_lines


@pytest.fixture
def xquad(tmp_path: Path) -> Path:
    """Two paragraphs, parallel in English and German."""
    folder = tmp_path / "xquad"
    english = squad(("A mill", {"1": ("How old?", "mill")}), ("A bridge", {"2": ("How long?", "bridge")}))
    german = squad(("Eine Mühle", {"1": ("Wie alt?", "Mühle")}), ("Eine Brücke", {"2": ("Wie lang?", "Brücke")}))
    write(folder / "xquad.en.json", english)
    with gzip.open(_made(folder) / "xquad.de.json.gz", "wt", encoding="utf-8") as file:
        json.dump(german, file)
    return folder


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    folder = tmp_path / "beir"
    write_lines(
        folder / "corpus.jsonl", {"_id": "a", "title": "T", "text": "x"}, {"_id": "b", "text": "y", "language": "fr"}
    )
    write_lines(
        folder / "queries.jsonl",
        {"_id": "1", "text": "Quoi ?", "metadata": {"language": "fr"}},
        {"_id": "2", "text": "What?"},
        {"_id": "3", "text": "Train?"},
    )
    header = "query-id\tcorpus-id\tscore\n"
    (folder / "qrels").mkdir()
    (folder / "qrels/test.tsv").write_text(header + "1\ta\t1\n1\tb\t1\n2\tb\t1\n2\ta\t0\n", encoding="utf-8")
    (folder / "qrels/train.tsv").write_text(header + "3\ta\t1\n", encoding="utf-8")
    return folder


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
