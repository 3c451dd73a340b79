"""Compares the table in docs/install.md with the wheels that the package index has of the pinned versions.

``python -m tests.platforms``: asks the index, so it is no test of the suite; CI runs it. It asks with uv, which reads
metadata alone and for other platforms than its own; pip would download gigabytes, and resolve for this machine.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PYTHONS = ("3.10", "3.14")
"""The oldest and the newest that the table speaks of."""

PLATFORMS = {
    "Linux x86-64": "x86_64-manylinux_2_28",
    "Linux aarch64": "aarch64-manylinux_2_28",
    "macOS arm64": "aarch64-apple-darwin",
    "macOS x86-64": "x86_64-apple-darwin",
    "Windows x86-64": "x86_64-pc-windows-msvc",
}
"""What uv calls each."""

OLDEST_MACOS = "14.0"


def read_table() -> dict[str, dict[str, bool]]:
    """By platform and package: whether docs/install.md says that there is a wheel."""
    text = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\|(.*)\|$", text, re.MULTILINE)
    head, _, *body = [[cell.strip() for cell in line.split("|")] for line in lines]
    return {
        platform: {row[0]: {"yes": True, "no": False}[row[column]] for row in body}
        for column, platform in enumerate(head[1:], start=1)
    }


def why_not(packages: list[str], python: str, platform: str, *options: str) -> str:
    """Why the packages, of the pinned versions, cannot be had as wheels; empty where they can."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "-", "--quiet", "--no-python-downloads"]
    command += ["--only-binary", ":all:", "--constraint", str(ROOT / "constraints.txt")]
    command += ["--python-version", python, "--python-platform", PLATFORMS[platform]]
    ran = subprocess.run(
        [*command, *options],
        input="\n".join(packages),
        env={**os.environ, "MACOSX_DEPLOYMENT_TARGET": OLDEST_MACOS},
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode != 0 and "No solution found" not in ran.stderr:
        raise ConnectionError(f"uv cannot tell: {ran.stderr}")
    return ran.stderr if ran.returncode != 0 else ""


def compare(python: str, platform: str) -> list[str]:
    """What is not as the table says; where it has torch, of all that the packages need too."""
    claims = read_table()[platform]
    present = [name for name, claimed in claims.items() if claimed]
    missing = [name for name, claimed in claims.items() if not claimed]
    wrong = [f"{name} has a wheel" for name in missing if not why_not([name], python, platform, "--no-deps")]
    alone = () if claims["torch"] else ("--no-deps",)  # most of the others need torch
    wrong += [reason for reason in [why_not(present, python, platform, *alone)] if reason]
    return [f"{platform}, Python {python}: {line}" for line in wrong]


if __name__ == "__main__":
    differences = [line for python in PYTHONS for platform in PLATFORMS for line in compare(python, platform)]
    sys.stdout.write("\n".join(differences) or f"docs/install.md is right about Python {' and '.join(PYTHONS)}\n")
    sys.exit(len(differences) > 0)
