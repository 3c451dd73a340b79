"""Runs that are killed: whatever moment it hits, a re-run ends in the collection of an undisturbed run."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from xqg.protocols import Point
from xqg.stores.edge import EdgeStore

PASSAGES, BATCH, KILLS = 40, 4, 10


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    words = random.Random(7).choices(
        ["lamp", "hub", "valve", "invoice", "battery", "refund", "signal", "button", "night", "holiday"], k=400
    )
    passages = [
        {"id": f"p{n}", "language": "en", "text": " ".join(words[10 * n : 10 * n + 6])} for n in range(PASSAGES)
    ]
    queries = [
        {"passage_id": f"p{n}", "language": language, "query": f"{language} {words[n]} {words[n + 1]} ?"}
        for n in range(PASSAGES)
        for language in ("fr", "de")
    ]
    for name, records in (("corpus.jsonl", passages), ("queries.jsonl", queries)):
        (tmp_path / name).write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return tmp_path


def start(folder: Path, store: str, source: str = "corpus.jsonl") -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "xqg.cli", "ingest", source, "--store", f"edge:{store}", "--json"]
    options = ["--collection", "c", "--generator", "file:queries.jsonl", "--batch-size", str(BATCH)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([*command, *options], cwd=folder, text=True, **pipes)


def stored(folder: Path, store: str) -> dict[str, Point]:
    with closing(EdgeStore(folder / store, "c")) as opened:
        return {point.passage.id: point for point in opened.points(with_vectors=True)}


def test_killed_at_ten_random_moments_a_run_ends_like_an_undisturbed_one(corpus: Path) -> None:
    whole = start(corpus, "whole")
    began = time.monotonic()
    assert whole.wait(timeout=120) == 0
    duration = time.monotonic() - began
    moments, hit = random.Random(1), 0
    for _ in range(KILLS):
        run = start(corpus, "killed")
        time.sleep(moments.uniform(0.1, 0.9) * duration)
        hit += run.poll() is None
        run.kill()
        run.communicate()
    assert hit, "every run was over before it was killed"
    last = start(corpus, "killed")
    output, errors = last.communicate(timeout=120)
    assert last.returncode == 0, errors
    assert json.loads(output)["read"] == PASSAGES
    expected, found = stored(corpus, "whole"), stored(corpus, "killed")
    assert sorted(found) == sorted(expected) == sorted(f"p{n}" for n in range(PASSAGES))
    for key, point in expected.items():
        np.testing.assert_array_equal(found[key].rows, point.rows)
        assert found[key].entry == point.entry


@pytest.mark.parametrize(("which", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_finishes_the_batch_in_hand_and_says_how_to_go_on(
    corpus: Path, which: signal.Signals, code: int
) -> None:
    run = start(corpus, "stopped", "-")
    while not list((corpus / "stopped" / "c").glob("xqg.json")):
        time.sleep(0.01)
        assert run.poll() is None, run.communicate()
    run.send_signal(which)  # while it waits for passages
    output, errors = run.communicate((corpus / "corpus.jsonl").read_text(encoding="utf-8"), timeout=60)
    assert run.returncode == code, errors
    assert "run the same command again" in errors
    report = json.loads(output)
    assert report["interrupted"]
    assert len(stored(corpus, "stopped")) == report["upserted"] == BATCH
    assert start(corpus, "stopped").wait(timeout=120) == 0
    assert len(stored(corpus, "stopped")) == PASSAGES
