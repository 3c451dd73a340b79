"""Every benchmark still finds what it imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "benchmarks"


def test_they_can_be_imported():
    names = sorted(path.stem for path in FOLDER.glob("*.py"))
    assert "retrieval" in names
    run = subprocess.run(
        [sys.executable, "-c", f"import {', '.join(names)}"], cwd=FOLDER, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
