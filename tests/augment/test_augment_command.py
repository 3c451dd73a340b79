"""`xqg augment` as its user types it: real encoder, queries from a file, a server on the wire, killed runs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from qdrant_client import models

from tests.stores.faults import Fault
from tests.stores.wire import WireServer
from xqg.cli import main
from xqg.encoders.bundled import BundledEncoder
from xqg.records import Passage

TEXTS = [
    f"The {colour} {thing} is in box {number}."
    for number, (colour, thing) in enumerate(
        (colour, thing)
        for colour in ("red", "blue", "old", "small", "heavy")
        for thing in ("lamp", "valve", "battery", "invoice", "signal", "button")
    )
]
QUERIES = [
    {"passage_id": str(number), "language": language, "query": f"{language}: {text}"}
    for number, text in enumerate(TEXTS)
    for language in ("fr", "de", "en")
]
WHERE = ("--collection", "docs", "--into", "better")
PARTS = ("--generator", "file:queries.jsonl", "--languages", "fr,de", "--batch-size", "8")


@pytest.fixture(scope="module")
def vectors() -> list[list[float]]:
    passages = [Passage("", text) for text in TEXTS]
    numbers: list[list[float]] = BundledEncoder().encode_passages(passages).tolist()
    return numbers


@pytest.fixture
def here(
    wire: WireServer, vectors: list[list[float]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    for name in ("XQG_STORE", "QDRANT_URL", "QDRANT_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    lines = [json.dumps(query) for query in QUERIES]
    Path("queries.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    params = models.VectorParams(size=384, distance=models.Distance.COSINE)
    wire.local.create_collection("docs", vectors_config={"dense": params})
    points = [
        models.PointStruct(
            id=number,
            vector={"dense": vector},
            payload={"page_content": text, "metadata": {"box": number, "language": "en"}},
        )
        for number, (text, vector) in enumerate(zip(TEXTS, vectors, strict=True))
    ]
    wire.local.upsert("docs", points)
    yield tmp_path


def xqg(wire: WireServer, command: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--quiet", command, "--store", wire.url, *arguments], catch_exceptions=False)


def augment(wire: WireServer, *more: str) -> Result:
    return xqg(wire, "augment", *WHERE, *PARTS, *more)


def contents(wire: WireServer, name: str) -> dict[Any, Any]:
    records, _ = wire.local.scroll(name, limit=1000, with_vectors=True)
    return {record.id: (record.payload, record.vector) for record in records}


@pytest.mark.usefixtures("here")
class TestCommand:
    def test_there_and_back_again(self, wire: WireServer) -> None:
        create = models.CreateAlias(collection_name="docs", alias_name="live")
        wire.local.update_collection_aliases([models.CreateAliasOperation(create_alias=create)])
        done = augment(wire, "--alias", "live", "--json")
        assert done.exit_code == 0, done.output
        report = json.loads(done.stdout)
        assert (report["points"], report["layout"], report["vector"], report["complete"]) == (
            30,
            "langchain",
            "dense",
            True,
        )
        assert report["alias"] == {"alias": "live", "was": "docs", "now": "better"}
        assert report["encoder_agreement"] == pytest.approx(1.0, abs=1e-3)
        back = xqg(wire, "augment", *WHERE, "--alias", "live", "--rollback", "--json")
        assert json.loads(back.stdout) == {"alias": "live", "was": "better", "now": "docs"}
        again = xqg(wire, "augment", *WHERE, "--alias", "live", "--rollback")
        assert (again.exit_code, wire.local.get_aliases().aliases[0].collection_name) == (0, "docs")

    def test_the_source_is_compared_with_what_came_of_it(self, wire: WireServer) -> None:
        augment(wire)
        before = [record.payload for record in wire.local.scroll("docs", limit=1000)[0]]
        asked = [{"passage_id": key, "language": "fr", "query": f"où est : {text}"} for key, text in enumerate(TEXTS)]
        Path("held-out.jsonl").write_text("\n".join(map(json.dumps, asked)), encoding="utf-8")
        labelled = [{**query, "id": f"q{number}"} for number, query in enumerate(asked)]
        Path("labelled.jsonl").write_text(
            "\n".join(json.dumps({**query, "passage_id": str(query["passage_id"])}) for query in labelled), "utf-8"
        )
        ways = (
            ("compare", "--collection", "better", "--against", "docs", "--generator", "file:held-out.jsonl"),
            ("compare", "--collection", "docs", "--against", "better", "--queries", "labelled.jsonl"),
            ("evaluate", "--collection", "better", "--against", "docs", "--queries", "labelled.jsonl"),
        )
        for command, *arguments in ways:
            done = xqg(wire, command, *arguments, "--json")
            assert done.exit_code == 0, done.output
            report = json.loads(done.stdout)
            assert 0.5 < report["measures"]["MRR@10"]["fr"] <= 1
        assert [record.payload for record in wire.local.scroll("docs", limit=1000)[0]] == before
        Path("lost.jsonl").write_text(json.dumps({**labelled[0], "passage_id": "no id of a point"}), "utf-8")
        lost = xqg(wire, "evaluate", "--collection", "better", "--queries", "lost.jsonl")
        assert (lost.exit_code, "1 of 1 labels match no passage of collection 'better'" in lost.output) == (1, True)
        alone = xqg(wire, "evaluate", "--collection", "docs", "--queries", "labelled.jsonl")
        assert (alone.exit_code, "'docs'" in alone.output) == (1, True)  # nothing tells its encoder

    def test_what_came_out_is_searched_and_shown(self, wire: WireServer) -> None:
        augment(wire)
        found = xqg(
            wire, "search", "--collection", "better", TEXTS[7], "-k", "2", "--filter", "box=7", "--explain", "--json"
        )
        (hit,) = json.loads(found.stdout)["hits"]
        assert (hit["id"], hit["text"], hit["metadata"]) == ("7", TEXTS[7], {"box": 7, "language": "en"})
        assert hit["closest_piece"]["text"] == TEXTS[7]
        shown = json.loads(xqg(wire, "show", "--collection", "better", "--json").stdout)
        assert (shown["passages"], shown["queries"]["fr"], shown["augmented"]["source"]) == (30, 30, "docs")
        one = json.loads(xqg(wire, "show", "--collection", "better", "7", "--json").stdout)
        assert one["queries"]["de"] == [f"de: {TEXTS[7]}"]

    def test_ingesting_into_it_is_refused(self, wire: WireServer) -> None:
        augment(wire)
        Path("more.jsonl").write_text(json.dumps({"id": "a", "text": "b"}), encoding="utf-8")
        refused = xqg(wire, "ingest", "more.jsonl", "--collection", "better", "--generator", "none")
        assert (refused.exit_code, "`xqg augment` made it" in refused.output) == (1, True)

    def test_the_rule_plain_makes_a_copy_to_compare_with(self, wire: WireServer) -> None:
        done = xqg(wire, "augment", "--collection", "docs", "--into", "plain", "--rule", "plain", "--json")
        assert json.loads(done.stdout)["points"] == 30
        before, after = contents(wire, "docs"), contents(wire, "plain")
        for key, (_, vector) in before.items():
            np.testing.assert_allclose(after[key][1]["dense"], vector["dense"], atol=1e-6)

    def test_the_plan(self, wire: WireServer) -> None:
        plan = json.loads(augment(wire, "--dry-run", "--json").stdout)
        assert (plan["to_store"], plan["layout"], plan["text_key"]) == (30, "langchain", "page_content")
        assert "nothing was" in augment(wire, "--dry-run").output
        assert not wire.local.collection_exists("better")

    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            (("--alias", "docs"), 1, "no alias share it"),
            (("--vector-name", "sparse"), 2, "no dense vector 'sparse'"),
            (("--text-key", "nowhere"), 1, "None of 30 sampled points has a text at 'nowhere'"),
            (("--into", "docs"), 2, "same collection"),
            (("--into", "a/b"), 2, "collection"),
            (("--rollback", "--alias", "live"), 1, "no collection 'better'"),
            (("--rollback",), 2, "No alias is named"),
            (("--passage-language", "xx"), 2, "Unknown language"),
        ],
    )
    def test_mistakes_are_one_line(self, wire: WireServer, arguments: tuple[str, ...], code: int, message: str) -> None:
        result = augment(wire, *arguments)
        assert (result.exit_code, result.output.count("\n")) == (code, 1), result.output
        assert message in result.output
        assert not wire.local.collection_exists("better")

    def test_an_embedded_store_holds_no_foreign_collections(self) -> None:
        arguments = ["augment", "--store", "edge:data", *WHERE, *PARTS]
        result = CliRunner().invoke(main, arguments, catch_exceptions=False)
        assert (result.exit_code, "xqg's own collections only" in result.output) == (2, True)

    def test_lost_answers_change_nothing(self, wire: WireServer) -> None:
        assert augment(wire, "--alias", "whole").exit_code == 0
        whole = contents(wire, "better")
        wire.local.delete_collection("better")
        wire.faults.every(3, Fault.APPLY_THEN_DROP, Fault.UNAVAILABLE, Fault.DROP_HALFWAY)
        assert augment(wire, "--alias", "live").exit_code == 0
        assert len(wire.faults.served) > 5
        assert contents(wire, "better") == whole


def start(wire: WireServer, folder: Path, into: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "xqg.cli", "--quiet", "augment", "--store", wire.url, "--collection", "docs"]
    return subprocess.Popen(
        [*command, "--into", into, *PARTS, "--batch-size", "3", "--json"], cwd=folder, text=True, stdout=subprocess.PIPE
    )


def test_killed_at_any_write_a_run_ends_like_an_undisturbed_one(
    wire: WireServer, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = start(wire, here, "whole")
    whole.communicate(timeout=120)
    assert whole.returncode == 0
    undisturbed, writes, runs = wire.faults.next, 0, []

    def kill_in_time(request: str) -> Any:
        """Each run lives one write longer than the one before: the first dies after making the collection."""
        nonlocal writes
        if "/collections/killed" in request and request.startswith(("PUT", "PATCH")):
            writes += 1
            if writes == len(runs):
                runs[-1].kill()
                runs[-1].wait()
        return undisturbed(request)

    monkeypatch.setattr(wire.faults, "next", kill_in_time)
    for _ in range(12):
        writes = 0
        runs.append(start(wire, here, "killed"))
        output, _ = runs[-1].communicate(timeout=120)
        if runs[-1].returncode == 0:
            break
    assert runs[-1].returncode == 0
    assert len(runs) > 3
    assert json.loads(output)["complete"]
    assert contents(wire, "killed") == contents(wire, "whole")
    known = {name: wire.local.get_collection(name).config.metadata["xqg"] for name in ("killed", "whole")}
    assert known["killed"] == known["whole"]
