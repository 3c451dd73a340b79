"""The pools of the benchmarks hold what their table says."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DATA = ROOT.parent / "shared" / "data"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the data is not beside the project")


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their scripts import each other by their bare names."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.delitem(sys.modules, "pools", raising=False)


def test_the_counts_of_the_table() -> None:
    import pools

    rows = re.findall(r"^\| (\S+) \| ([\d,]+) .*?\| ([\d,]+) .*?\|", str(pools.__doc__), re.MULTILINE)
    assert len(rows) == 10
    for name, passages, questions in rows:
        pool = pools.read_pool(name, DATA)
        counts = (len(pool.passages), len(pool.queries))
        assert counts == (int(passages.replace(",", "")), int(questions.replace(",", ""))), name


def test_debian_is_the_same_pool_with_and_without_titles() -> None:
    import pools

    titled, headed, untitled = (pools.read_pool(f"debian-1500{kind}", DATA) for kind in ("", "-headed", "-untitled"))
    assert titled.queries == headed.queries == untitled.queries
    for one, two, three in zip(titled.passages, headed.passages, untitled.passages, strict=True):
        assert (one.id, one.text) == (two.id, two.text.removeprefix(f"{one.title}\n")) == (three.id, three.text)
        assert one.title and not two.title and not three.title


def test_the_files_are_read_by_evaluate(tmp_path: Path) -> None:
    import pools

    from xqg.evaluation.queries import read_queries

    pool = pools.read_pool("gnome", DATA)
    pools.write_files(pool, tmp_path)
    assert read_queries(tmp_path / "gnome.queries.jsonl").queries == pool.queries
    assert len((tmp_path / "gnome.passages.jsonl").read_text(encoding="utf-8").splitlines()) == 296
