"""Whole runs against a server that misbehaves: they end complete and correct, or say that they did not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tests.fakes import FakeEncoder, FakeGenerator, fake_profile
from tests.stores.faults import Fault
from tests.stores.wire import WireServer
from xqg.cli import main
from xqg.ingest.job import IngestJob
from xqg.languages import LanguageDetector
from xqg.protocols import Point
from xqg.settings import IngestSettings, StoreSettings
from xqg.stores.server import Server
from xqg.stores.server_store import ServerStore

PASSAGES = 60


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    words = ["battery", "invoice", "wifi"]
    records = [{"id": f"p{n}", "language": "en", "text": f"{words[n % 3]} number {n}"} for n in range(PASSAGES)]
    Path("corpus.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    query = {"passage_id": "p0", "language": "fr", "query": "Quelle batterie ?"}
    Path("queries.jsonl").write_text(json.dumps(query), encoding="utf-8")
    return tmp_path / "corpus.jsonl"


def run(url: str, corpus: Path) -> dict[str, Point]:
    settings = IngestSettings.model_validate(
        {
            "store": {"spec": url, "collection": "docs"},
            "generator": {"spec": "hf:unused", "languages": ("fr", "ja")},
            "fusion": {"rule": "sum", "alpha": 0.1},
            "batch_size": 3,
        }
    )
    store = ServerStore(Server(settings.store), settings.store.collection)
    with IngestJob(settings, FakeGenerator(), FakeEncoder(), store, LanguageDetector(), fake_profile) as job:
        assert job.run([str(corpus)]).upserted == PASSAGES
        return {point.passage.id: point for point in store.points(with_vectors=True)}


def test_one_request_in_five_fails_and_the_run_ends_complete_and_correct(corpus: Path) -> None:
    with WireServer() as good, WireServer() as bad:
        bad.faults.every(5, Fault.UNAVAILABLE, Fault.DROP, Fault.APPLY_THEN_DROP, Fault.RATE_LIMIT, Fault.DROP_HALFWAY)
        expected, found = run(good.url, corpus), run(bad.url, corpus)
        assert len(bad.faults.served) >= 5
    assert found.keys() == expected.keys() == {f"p{n}" for n in range(PASSAGES)}
    for key, point in expected.items():
        np.testing.assert_array_equal(found[key].rows, point.rows)
        assert found[key].entry == point.entry


def ingest(url: str, *more: str) -> Result:
    place = ["--store", url, "--collection", "docs", "--generator", "file:queries.jsonl", "--json"]
    return CliRunner().invoke(main, ["--quiet", "ingest", "corpus.jsonl", *place, *more])


def test_the_command_line_against_a_server(corpus: Path) -> None:
    with WireServer() as server:
        first, second = ingest(server.url), ingest(server.url)
        assert (first.exit_code, json.loads(first.stdout)["upserted"]) == (0, PASSAGES)
        assert json.loads(second.stdout)["skipped"] == PASSAGES
        place = ["--store", server.url, "--collection", "docs"]
        hits: Any = json.loads(CliRunner().invoke(main, ["search", "wifi number 2", *place, "--json"]).stdout)["hits"]
        assert hits[0]["id"] == "p2"


def test_a_server_that_goes_away_for_good_is_exit_code_5_and_the_next_run_goes_on(corpus: Path) -> None:
    with WireServer() as server:
        server.faults.then(*[None] * 10, *[Fault.UNAVAILABLE] * 200)
        broken = ingest(server.url, "--batch-size", "7")
        assert broken.exit_code == 5, broken.output
        assert "Traceback" not in broken.output
        server.faults.clear()
        again = json.loads(ingest(server.url, "--batch-size", "7").stdout)
        assert again["skipped"] + again["upserted"] == PASSAGES
        assert again["skipped"] > 0
        store = ServerStore(Server(StoreSettings(spec=server.url, collection="docs")), "docs")
        assert len(list(store.points())) == PASSAGES
