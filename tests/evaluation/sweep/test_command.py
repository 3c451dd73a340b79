from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.fakes import FakeEncoder, FakeGenerator, fake_profile
from xqg.cli import main
from xqg.folder_lock import FolderLock


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr("xqg.commands.sweep.build_encoder", lambda settings: FakeEncoder())
    monkeypatch.setattr("xqg.evaluation.sweep.material.find_profile", fake_profile)
    monkeypatch.chdir(tmp_path)
    write("passages.jsonl", {"id": "b", "text": "battery", "language": "en"}, {"id": "i", "text": "invoice"})
    write(
        "queries.jsonl",
        {"id": "1", "language": "fr", "query": "battery", "passage_id": "b"},
        {"id": "2", "language": "fr", "query": "valve", "passage_id": "i"},
    )
    write("generated.jsonl", {"passage_id": "i", "language": "fr", "query": "valve"})

    def invoke(*options: str):
        common = ["--passages", "passages.jsonl", "--queries", "queries.jsonl", "--passage-language", "en"]
        return CliRunner().invoke(main, ["-q", "sweep", *common, "--out", "out", *options])

    return invoke


def write(name, *records):
    Path(name).write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


def test_generated_queries_bring_a_passage_back(run):
    result = run("--generated", "generated.jsonl", "--rules", "sum", "--alphas", "0.5", "--json")
    assert result.exit_code == 0, result.output
    plain, fused = json.loads(result.stdout)
    assert (plain["recall@1"]["macro"], fused["recall@1"]["macro"]) == (0.5, 1.0)


def test_texts_are_generated_once_for_all_sweeps(run, monkeypatch, tmp_path):
    generator = FakeGenerator(count=1)
    monkeypatch.setattr("xqg.commands.sweep.build_generator", lambda settings, detector: generator)
    options = ["--languages", "en,fr", "--queries-per-language", "1"]
    assert run(*options).exit_code == 0
    assert generator.asked == [("b", ("fr",)), ("i", ("fr",))]
    assert run(*options, "--rules", "sum", "--alphas", "0.2,0.4").exit_code == 0
    assert len(generator.asked) == 2


def test_queries_and_passages_are_compared_over_numbers_of_languages(run, monkeypatch):
    monkeypatch.setattr("xqg.commands.sweep.build_generator", lambda settings, detector: FakeGenerator(count=1))
    result = run("--languages", "fr,de", "--augment-with", "both", "--languages-counts", "0,1,2", "--json")
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)
    # four rules and three kinds: without languages and with both of them once, with one of them three draws
    assert len(rows) == 1 + 4 * 3 * (1 + 3 + 1)
    assert (Path("out") / "target-languages.png").exists()


def test_views_need_nothing_generated(run):
    result = run("--rules", "neutral,views", "--alphas", "default,0.5", "--json")
    assert result.exit_code == 0, result.output
    told = [(row["rule"], row["alpha"], row["languages"]) for row in json.loads(result.stdout)]
    assert told == [("plain", 0, []), *((rule, alpha, []) for rule in ("neutral", "views") for alpha in (0.3, 0.5))]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rules", "best"], "'best'"),
        (["--rules", "plain"], "always measured"),
        (["--alphas", "2"], "numbers from 0 to 1"),
        (["--queries-per-language", "0"], "numbers from 1"),
        (["--queries-per-language", "²"], "numbers from 1"),
        (["--languages-counts", "--5"], "numbers from 0"),
        (["--languages-counts", "3"], "3 target languages"),
        ([], "no generated queries"),
        (["--rules", "views", "--augment-with", "both"], "no generated queries"),
    ],
)
def test_what_cannot_be_swept_is_told(run, options, message):
    given = [] if "no generated" in message else ["--generated", "generated.jsonl"]
    result = run(*given, *options)
    assert result.exit_code == 2
    assert message in result.output


def test_a_folder_that_another_process_has_is_left_alone(run):
    lock = FolderLock(Path("out"))
    result = run("--rules", "views")
    assert result.exit_code == 2
    assert f"out is in use: by process {os.getpid()} on " in result.output
    assert [path.name for path in Path("out").iterdir()] == ["xqg.lock"]
    lock.release(remove=True)
    assert run("--rules", "views").exit_code == 0
    assert not (Path("out") / "xqg.lock").exists()
