"""The scripts in examples/ are run as a reader would run them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
SCRIPTS = sorted(path for path in EXAMPLES.glob("*.py") if path.name != "help_centre.py")


def test_there_is_one_for_each_stack_and_the_list_names_it() -> None:
    assert len(SCRIPTS) == 5
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert all(f"`{path.name}`" in listed for path in SCRIPTS)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_french_question_finds_the_english_passage_first(script: Path, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env={**os.environ, "HAYSTACK_TELEMETRY_ENABLED": "False"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert (len(lines), lines[0].split()[1]) == (2, "password"), ran.stdout
    assert not list(tmp_path.iterdir()), "it left something behind"
