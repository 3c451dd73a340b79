"""`xqg delete` and `xqg ingest --sync` as their users type them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from xqg.cli import main

PLACE = ("--store", "edge:data", "--collection", "help")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("docs").mkdir()
    for name in ("gate", "salaries"):
        Path(f"docs/{name}.md").write_text(f"# The {name}\n\nSomething about the {name} of the company.\n")
    assert xqg("ingest", "docs", *PLACE).exit_code == 0


def xqg(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["--quiet", *arguments], catch_exceptions=False)


def stored() -> list[str]:
    hits = json.loads(xqg("search", "the company", *PLACE, "--json").stdout)["hits"]
    return sorted(hit["id"] for hit in hits)


def test_what_is_no_longer_in_the_source_goes() -> None:
    Path("docs/salaries.md").unlink()
    planned = xqg("ingest", "docs", *PLACE, "--sync", "--dry-run")
    assert "to delete" in planned.stdout
    assert "salaries.md" in planned.stdout
    assert stored() == ["gate.md", "salaries.md"]
    done = xqg("ingest", "docs", *PLACE, "--sync", "--json")
    assert (done.exit_code, json.loads(done.stdout)["deleted"]) == (0, 1)
    assert stored() == ["gate.md"]
    assert xqg("show", "salaries.md", *PLACE).exit_code == 1


def test_more_than_the_limit_is_an_error() -> None:
    Path("docs/salaries.md").unlink()
    refused = xqg("ingest", "docs", *PLACE, "--sync", "--sync-limit", "0")
    assert refused.exit_code == 1
    assert "--sync-limit 1" in refused.stderr
    assert stored() == ["gate.md", "salaries.md"]


def test_a_document_is_deleted_by_its_id() -> None:
    planned = xqg("delete", "gate.md", *PLACE, "--dry-run")
    assert (planned.exit_code, planned.stdout) == (0, "would delete gate.md\n")
    assert xqg("delete", "gate.md", "nowhere.md", *PLACE).exit_code == 1
    assert stored() == ["gate.md", "salaries.md"], "all or none"
    done = xqg("delete", "gate.md", *PLACE, "--json")
    assert json.loads(done.stdout) == {"dry_run": False, "documents": ["gate.md"], "passages": ["gate.md"]}
    assert stored() == ["salaries.md"]
    assert xqg("delete", "x", "--store", "edge:data", "--collection", "other").exit_code == 1
