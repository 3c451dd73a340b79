"""Files of the cache folder that several runs write to at once."""

import subprocess
import sys

import pytest

from xqg.generators.answer_cache import KeptAnswers, TranslationMemory

RUNS, TEXTS = 4, 25

WRITE = """
import sys, time
from pathlib import Path
from xqg.generators.answer_cache import KeptAnswers
from xqg.generators.answer_cache import TranslationMemory

folder, kind, run, runs, texts = Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:])
(folder / f"ready-{run}").touch()
while len(list(folder.glob("ready-*"))) < runs:
    time.sleep(0.001)
file = (KeptAnswers if kind == "answers" else TranslationMemory)(folder / "kept.sqlite")
for number in range(texts):
    if kind == "answers":
        file.keep(f"{run} {number}", [f"answer {number}"])
    else:
        file.remember({}, "fr", f"{run} {number}", f"answer {number}")
"""


@pytest.mark.parametrize("kind", ["answers", "translations"])
def test_runs_that_make_and_fill_one_file_at_once_lose_nothing(kind, tmp_path):
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", WRITE, str(tmp_path), kind, str(run), str(RUNS), str(TEXTS)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for run in range(RUNS)
    ]
    said = [run.communicate(timeout=120)[1] for run in runs]
    assert [(run.returncode, text) for run, text in zip(runs, said, strict=True)] == [(0, "")] * RUNS
    expected = {f"{run} {number}": f"answer {number}" for run in range(RUNS) for number in range(TEXTS)}
    if kind == "answers":
        kept = KeptAnswers(tmp_path / "kept.sqlite")
        assert {key: kept.find(key) for key in expected} == {key: [text] for key, text in expected.items()}
    else:
        assert TranslationMemory(tmp_path / "kept.sqlite").recall({}, "fr", list(expected)) == expected
