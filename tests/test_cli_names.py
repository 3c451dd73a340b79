"""Names and streams that are not UTF-8: what is meant is found, and shown as far as it can be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.test_cli import INGEST, PLACE, here, ingest, write, xqg

__all__ = ["here"]

NOT_UTF8 = os.fsdecode(b"caf\xe9")


def test_an_output_that_is_not_utf8(here: Path) -> None:
    write("corpus.jsonl", [{"id": "é中", "text": "Ünïcode 中文 😀", "title": "Ж"}])
    assert ingest().exit_code == 0
    for arguments, expected in (
        (("show", "é中", *PLACE, "--json"), '"\\u00e9\\u4e2d"'),
        (("show", "é中", *PLACE), "\\u4e2d\\u6587 \\U0001f600"),
        (("search", "中文", *PLACE), "\\u4e2d\\u6587"),
    ):
        result = subprocess.run(
            [sys.executable, "-m", "xqg.cli", *arguments],
            env={**os.environ, "PYTHONIOENCODING": "ascii"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert expected in result.stdout
        assert result.stderr == ""


def test_a_question_and_an_id_that_are_no_text(here: Path) -> None:
    assert ingest().exit_code == 0
    question = xqg("search", NOT_UTF8, *PLACE)
    assert (question.exit_code, "is not UTF-8" in question.output) == (2, True)
    shown = xqg("show", NOT_UTF8, *PLACE)
    assert (shown.exit_code, "No passage 'caf\\udce9'" in shown.output) == (1, True)


def test_an_id_is_found_however_it_is_typed(here: Path) -> None:
    write("corpus.jsonl", [{"id": "caf\u00e9", "text": "One."}, {"id": 7.0, "text": "Two."}])
    assert xqg(*INGEST).exit_code == 0
    assert xqg("show", "cafe\u0301", *PLACE, "--json").exit_code == 0
    assert xqg("show", "7.0", *PLACE, "--json").exit_code == 0


def test_query_languages_as_tools_write_them(here: Path) -> None:
    assert ingest("--languages", "fr-CA,Japanese").exit_code == 0
    refused = ingest("--languages", "fr-CA,fra")
    assert (refused.exit_code, "language fr is named twice" in refused.output) == (2, True)
