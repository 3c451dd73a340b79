"""Files of the cache folder that several runs write to at once."""

import subprocess
import sys

import pytest

from xqg.generators.answer_cache import KeptAnswers
from xqg.generators.translation.memory import TranslationMemory

RUNS, TEXTS = 4, 25

START = (
    """
import sys, time
from pathlib import Path
folder, run = Path(sys.argv[1]), int(sys.argv[2])
(folder / f"ready-{run}").touch()
while len(list(folder.glob("ready-*"))) < %d:
    time.sleep(0.001)
"""
    % RUNS
)

WRITE_ANSWERS = (
    """
from xqg.generators.answer_cache import KeptAnswers
kept = KeptAnswers(folder / "kept.sqlite")
for number in range(%d):
    kept.keep(f"{run} {number}", [f"answer {number}"])
"""
    % TEXTS
)

WRITE_TRANSLATIONS = (
    """
from xqg.generators.translation.memory import TranslationMemory
memory = TranslationMemory(folder / "kept.sqlite")
for number in range(%d):
    memory.remember({}, "fr", f"{run} {number}", f"answer {number}")
"""
    % TEXTS
)


@pytest.mark.parametrize("write", [WRITE_ANSWERS, WRITE_TRANSLATIONS], ids=["answers", "translations"])
def test_runs_that_make_and_fill_one_file_at_once_lose_nothing(write, tmp_path):
    imports, rest = write.strip().split("\n", 1)
    code = f"{imports}\n{START}\n{rest}"
    runs = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(run)], stderr=subprocess.PIPE, text=True)
        for run in range(RUNS)
    ]
    said = [run.communicate(timeout=120)[1] for run in runs]
    assert [(run.returncode, text) for run, text in zip(runs, said, strict=True)] == [(0, "")] * RUNS
    keys = [f"{run} {number}" for run in range(RUNS) for number in range(TEXTS)]
    if write is WRITE_ANSWERS:
        kept = KeptAnswers(tmp_path / "kept.sqlite")
        assert all(kept.find(key) == [f"answer {key.split()[1]}"] for key in keys)
    else:
        found = TranslationMemory(tmp_path / "kept.sqlite").recall({}, "fr", keys)
        assert found == {key: f"answer {key.split()[1]}" for key in keys}
