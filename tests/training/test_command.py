"""``xqg train generator`` as its user types it, and the result used by ``xqg ingest``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.training.samples import pair_lines, save_gemma, write_lines
from xqg.cli import main


def test_sixty_pairs_of_ones_own_train_a_generator_that_ingestion_uses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_gemma(tmp_path / "tiny-gemma")
    write_lines(tmp_path / "pairs.jsonl", [*pair_lines(), {"text": "x", "language": "xx", "query": "y"}])
    short = ["--max-steps", "2", "--rank", "2", "--evaluations", "1", "--device", "cpu"]
    run = CliRunner()
    trained = run.invoke(
        main, ["-q", "train", "generator", "--data", "pairs.jsonl", "--base", "tiny-gemma", "--out", "mine", *short]
    )
    assert trained.exit_code == 3, trained.output
    assert "--generator hf:mine" in trained.output
    assert json.loads(Path("xqg-rejects.jsonl").read_text(encoding="utf-8"))["line"] == len(pair_lines()) + 1

    Path("corpus.jsonl").write_text(json.dumps({"id": "a", "text": "Press it.", "language": "en"}), encoding="utf-8")
    place = ["--store", "edge:data", "--collection", "c"]
    based = ["--generator-base", "hf:tiny-gemma"]
    generator = [
        "--generator",
        "hf:mine",
        *based,
        "--languages",
        "fr",
        "--queries-per-language",
        "2",
        "--max-new-tokens",
        "4",
    ]
    ingested = run.invoke(main, ["-q", "ingest", "corpus.jsonl", *place, *generator, *based, "--json"])
    assert ingested.exit_code == 0, ingested.output
    queries = json.loads(ingested.stdout)["queries"]
    assert queries["made"] + sum(queries["dropped"].values()) == 2
    settings = json.loads(run.invoke(main, ["-q", "show", *place, "--json"]).stdout)["settings"]["generator"]
    assert (settings["model"], settings["kind"]) == ("mine", "causal")

    measure = ["-q", "evaluate-generator", "--data", "pairs.jsonl", "--passages", "2", "--queries-per-language", "1"]
    few_shot_and_adapter = ["--generator", "hf:tiny-gemma", "--generator", "hf:mine"]
    measured = run.invoke(main, [*measure, *few_shot_and_adapter, *based, "--report", "report"])
    assert measured.exit_code == 0, measured.output
    report = Path("report/report.md").read_text(encoding="utf-8")
    for writer in ("| hf:tiny-gemma |", "| hf:mine |", "| human | 4 |"):
        assert f"| French {writer}" in report
    assert "## Dev loss" in Path("mine/README.md").read_text(encoding="utf-8")
    assert not Path("mine/xqg.lock").exists() and not Path("report/xqg.lock").exists()


def test_too_little_data_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_lines(tmp_path / "pairs.jsonl", pair_lines()[:5])
    result = CliRunner().invoke(main, ["-q", "train", "generator", "--data", "pairs.jsonl", "--out", "mine"])
    assert result.exit_code in (1, 2)
    assert result.output.count("\n") == 1
    assert "50" in result.output
