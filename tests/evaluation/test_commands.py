"""xqg evaluate and xqg compare as users type them: embedded store, bundled encoder, queries from a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from xqg.cli import main

PASSAGES = [
    {"id": "password", "language": "en", "text": "Tap Forgot password and follow the e-mail."},
    {"id": "refund", "language": "en", "text": "Money comes back within ten days of cancelling."},
    {"id": "wifi", "language": "en", "text": "Hold the button until the lamp blinks to pair the hub."},
]
STORED = [
    {"passage_id": "password", "language": "fr", "query": "J'ai oublié mon mot de passe, que faire ?"},
    {"passage_id": "refund", "language": "fr", "query": "Quand vais-je être remboursé ?"},
]
FRESH = [
    STORED[0],
    {"passage_id": "password", "language": "fr", "query": "Comment changer de mot de passe ?"},
    {"passage_id": "refund", "language": "fr", "query": "Et mon argent ?"},
    {"passage_id": "wifi", "language": "fr", "query": "Comment jumeler la centrale ?"},
]
LABELLED = [
    {"id": "1", "language": "fr", "query": "mot de passe oublié", "passage_id": "password", "answers": ["e-mail"]},
    {"id": "2", "language": "fr", "query": "remboursement", "passage_id": "refund"},
    {"id": "3", "language": "de", "query": "Passwort vergessen", "passage_id": ["password", "wifi"]},
    {"id": "4", "language": "de", "query": "Lampe blinkt", "passage_id": "wifi"},
]
PLACE = ("--store", "edge:data")


def write(name: str, records: list[dict[str, Any]]) -> None:
    Path(name).write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


def xqg(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["--quiet", *arguments], catch_exceptions=False)


def report(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    value: dict[str, Any] = json.loads(result.stdout)
    return value


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain collection and an augmented one, and files of queries."""
    folder = tmp_path_factory.mktemp("evaluation")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write("corpus.jsonl", PASSAGES)
        for name, records in (("stored", STORED), ("fresh", FRESH), ("labelled", LABELLED)):
            write(f"{name}.jsonl", records)
        for name, generator in (("plain", "none"), ("xqg", "file:stored.jsonl")):
            result = xqg("ingest", "corpus.jsonl", *PLACE, "--collection", name, "--generator", generator)
            assert result.exit_code == 0, result.output
    return folder


@pytest.fixture(autouse=True)
def here(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(data)
    for name in ("XQG_STORE", "QDRANT_URL", "QDRANT_API_KEY"):
        monkeypatch.delenv(name, raising=False)


EVALUATE = ("evaluate", "--queries", "labelled.jsonl", *PLACE, "--collection", "xqg")


class TestEvaluate:
    def test_measures_by_language(self) -> None:
        value = report(xqg(*EVALUATE, "--json"))
        assert value["measures"]["MRR@10"] == {"macro": 1.0, "fr": 1.0, "de": 1.0}
        assert value["measures"]["recall@1"]["de"] == 0.75
        assert value["measures"]["R@2kt"] == {"macro": 1.0, "fr": 1.0}
        assert value["queries"] == {"fr": 2, "de": 2}
        assert any("no answers in de" in note for note in value["notes"])

    def test_against_another_collection_with_a_report(self) -> None:
        result = xqg(*EVALUATE, "--against", "plain", "--exact", "--report", "out")
        assert result.exit_code == 0, result.output
        for part in ("MRR@10", "French", "German", "macro average", "R@2kt", "p < 0.05", "The report is in out"):
            assert part in result.output
        assert {"report.md", "report.json", "queries.jsonl", "plain.trec", "xqg.trec", "MRR-at-10.png"} <= {
            path.name for path in Path("out").iterdir()
        }

    def test_a_label_that_matches_no_passage_is_an_error_and_no_zero(self) -> None:
        write("lost.jsonl", [LABELLED[0], {**LABELLED[1], "passage_id": ["refund", "nowhere"]}])
        arguments = ("evaluate", "--queries", "lost.jsonl", *PLACE, "--collection", "xqg")
        result = xqg(*arguments)
        assert (result.exit_code, result.output.count("\n")) == (1, 1), result.output
        assert "1 of 3 labels match no passage of collection 'xqg', 'nowhere' of the query '2'" in result.output

    def test_the_comparison_as_json(self) -> None:
        value = report(xqg(*EVALUATE, "--against", "plain", "--json"))
        change = value["comparison"]["MRR@10"]["macro"]
        assert (change["queries"], value["against"]["collection"]) == (4, "plain")
        assert change["change"] == pytest.approx(change["collection"] - change["against"])

    def test_beir_queries(self) -> None:
        write("beir.jsonl", [{"_id": "1", "text": "Passwort vergessen"}])
        Path("qrels.tsv").write_text("query-id\tcorpus-id\tscore\n1\tpassword\t1\n", encoding="utf-8")
        arguments = ("evaluate", *PLACE, "--collection", "plain", "--queries", "beir.jsonl", "--qrels", "qrels.tsv")
        value = report(xqg(*arguments, "--query-language", "de", "--json"))
        assert value["measures"]["MRR@10"] == {"macro": 1.0, "de": 1.0}
        assert "not told" in xqg(*arguments).output

    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            (("--against", "xqg"), 2, "Both collections are 'xqg'"),
            (("--against", "nowhere"), 1, "There is no collection 'nowhere'"),
            (("--queries", "nowhere.jsonl"), 1, "nowhere.jsonl"),
            (("--report", "corpus.jsonl/report"), 2, "cannot be used"),
            (("--queries", "corpus.jsonl"), 1, "none has a label"),
        ],
    )
    def test_mistakes_are_one_line(self, arguments: tuple[str, ...], code: int, message: str) -> None:
        result = xqg(*EVALUATE, *arguments)
        assert (result.exit_code, result.output.count("\n")) == (code, 1), result.output
        assert message in result.output

    def test_what_is_not_installed_is_named_before_any_work(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("xqg.extras.find_spec", lambda name: None)
        for command in (EVALUATE, COMPARE):
            result = xqg(*command)
            assert result.exit_code == 2
            assert 'pip install "xqg[evaluate]"' in result.output


COMPARE = ("compare", *PLACE, "--collection", "xqg", "--against", "plain")


class TestCompare:
    def test_generated_questions_that_are_not_stored(self) -> None:
        value = report(xqg(*COMPARE, "--generator", "file:fresh.jsonl", "--queries-per-language", "2", "--json"))
        assert value["queries"] == {"fr": 3}
        assert set(value["comparison"]["MRR@10"]) == {"fr", "macro"}
        assert "3 generated questions on 3 passages" in value["notes"][0]

    def test_the_table_says_that_they_are_generated(self) -> None:
        result = xqg(*COMPARE, "--generator", "file:fresh.jsonl", "--sample", "2")
        assert "generated questions on 2 passages" in result.output
        assert "French" in result.output

    def test_labelled_queries_make_it_an_evaluation(self) -> None:
        ours = report(xqg(*COMPARE, "--queries", "labelled.jsonl", "--json"))
        assert ours == report(xqg(*EVALUATE, "--against", "plain", "--json"))

    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            (("--against", "xqg"), 2, "Both collections are 'xqg'"),
            (("--generator", "none"), 2, "writes no queries"),
            (("--generator", "file:stored.jsonl"), 1, "None of 2 generated queries is new"),
            (("--qrels", "qrels.tsv"), 2, "--qrels without --queries"),
        ],
    )
    def test_mistakes_are_one_line(self, arguments: tuple[str, ...], code: int, message: str) -> None:
        result = xqg(*COMPARE, *arguments)
        assert (result.exit_code, result.output.count("\n")) == (code, 1), result.output
        assert message in result.output

    def test_the_generator_is_told_the_stored_languages_and_another_seed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = []

        def refuse(settings: Any, detector: Any) -> None:
            asked.append((settings.spec, settings.languages, settings.queries_per_language, settings.top_k))

        monkeypatch.setattr("xqg.commands.evaluate.build_generator", refuse)
        xqg(*COMPARE, "--top-k", "3")
        assert asked == [("bundled", ("fr",), 1, 3)]
