"""Generators beside people on four passages, with the fakes whose output can be read."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests.fakes import FakeEncoder, FakeGenerator
from tests.training.samples import write_lines
from xqg.cli import main
from xqg.errors import EncodingError, InputError, SettingsError
from xqg.protocols import Generation
from xqg.records import GeneratedQuery
from xqg.settings import validated
from xqg.training.evaluation import HUMAN, EveryLanguage, draw_samples, evaluate_generators, read_evaluation_data
from xqg.training.evaluation_report import language_rows, macro_averages, to_json, write_report
from xqg.training.training_settings import EvaluationSettings, writer_name

TEXTS = {"battery": "battery lamp", "valve": "valve open", "refund": "refund slow", "wifi": "wifi wifi valve"}


class FirstLetters:
    """A text is in the language it begins with."""

    def __init__(self):
        self.rivals = []

    def is_language(self, text, language, rivals=()):
        self.rivals.append(list(rivals))
        return text.startswith(language)


class Babbler(FakeGenerator):
    """Writes of the wrong thing, in a wrong language, and less than asked for."""

    def generate(self, requests):
        queries = [
            GeneratedQuery(passage.id, language, "xx 0 battery")
            for passage, languages in requests
            for language in languages
        ]
        return Generation(tuple(queries), {})


@pytest.fixture
def pairs(tmp_path):
    lines = [{"id": name, "title": name, "text": text, "language": "en"} for name, text in TEXTS.items()]
    write_lines(tmp_path / "passages.jsonl", lines)
    human = [
        {"passage_id": "battery", "language": "fr", "query": "fr asks of battery"},
        {"passage_id": "valve", "language": "fr", "query": "fr asks of valve"},
        {"passage_id": "refund", "language": "fr", "query": "fr asks of wifi"},
        {"passage_id": "wifi", "language": "de", "query": "de fragt nach wifi"},
        {"passage_id": "wifi", "language": "en", "query": "en asks of wifi"},
        {"passage_id": "wifi", "language": "de", "query": ""},
    ]
    return write_lines(tmp_path / "pairs.jsonl", human)


def settings_of(pairs, **options):
    values = {"data": f"{pairs}?passages={pairs.parent}/passages.jsonl", "queries_per_language": 2} | options
    return validated(EvaluationSettings, values)


def evaluate(settings, encoder=None, **generators):
    told = []
    data = read_evaluation_data(settings)
    detector = FirstLetters()
    found = evaluate_generators(settings, data, generators, encoder or FakeEncoder(), detector, told.append)
    return found, told, detector


def test_generators_and_people_are_measured_alike(pairs):
    found, told, detector = evaluate(settings_of(pairs), good=FakeGenerator(2), bad=Babbler())

    assert found.data.languages == ("de", "fr")
    assert found.data.rejected == 1
    assert list(found.measures) == ["good", "bad", HUMAN]
    good, bad, human = (found.measures[name]["fr"] for name in found.measures)
    assert (good.queries, good.kept, good.right_language) == (8, 1.0, 1.0)
    # "fr 0 valve" scores 1 with the passage of valve (2 with its title) and 1 with that of wifi
    assert (good.first, good.first_ten) == (1.0, 1.0)
    assert (bad.queries, bad.kept, bad.right_language, bad.first) == (4, 0.5, 0.0, 0.25)
    assert (human.queries, human.kept, human.right_language) == (3, None, 1.0)
    assert human.first == pytest.approx(2 / 3)  # the question about wifi finds another passage than its own
    assert human.characters == pytest.approx((18 + 16 + 15) / 3)
    assert all(rivals == ["en", "de", "fr"] for rivals in detector.rivals)
    assert any(line.startswith("good: 0 of at most 16 queries") for line in told)


def test_distinct_2_is_taken_on_equally_many_queries(pairs):
    found, _, _ = evaluate(settings_of(pairs, languages=["de"]), good=FakeGenerator(2))
    # people asked once in German, so of the eight generated ones one is taken: "de NUMBER WORD", two pairs
    assert found.measures["good"]["de"].distinct_2 == 1.0
    assert found.measures[HUMAN]["de"].distinct_2 == 1.0


def test_languages_without_people_are_measured_but_not_averaged(pairs):
    found, _, _ = evaluate(settings_of(pairs, languages=["de,ja"]), good=FakeGenerator(2, silent=["ja"]))

    assert set(found.measures[HUMAN]) == {"de"}
    assert found.measures["good"]["ja"].kept == 0.0
    assert macro_averages(found)["good"] == found.measures["good"]["de"]
    rows = language_rows(found)
    assert [row[:3] for row in rows] == [["German", "good", "8"], ["German", HUMAN, "1"], ["Japanese", "good", "0"]]
    assert rows[0][7] == "100.0"  # as often as people
    assert rows[2][7] == "–"


def test_passages_are_drawn_with_the_seed_and_found_among_all(pairs):
    data = [read_evaluation_data(settings_of(pairs, passages=2, seed=seed)) for seed in (1, 1, 2, 3, 4)]

    assert data[0] == data[1]
    assert len({tuple(passage.id for passage in item.passages) for item in data}) > 1
    assert all(len(item.passages) == 2 and len(item.pool) == 4 for item in data)
    own = {passage.id for passage in data[0].passages}
    assert all(query.passage_id in own for query in data[0].human)


def test_the_pool_can_be_widened(pairs, tmp_path):
    lines = [{"text": "battery battery battery", "language": "fr", "query": "fr?"}]
    other = write_lines(tmp_path / "more.jsonl", lines)
    narrow, _, _ = evaluate(settings_of(pairs), good=FakeGenerator(1))
    wide, _, _ = evaluate(settings_of(pairs, pool=[str(other), str(other)]), good=FakeGenerator(1))

    assert (len(narrow.data.pool), len(wide.data.pool)) == (4, 5)
    assert narrow.measures["good"]["fr"].first == 1.0
    assert wide.measures["good"]["fr"].first == 0.75  # the new passage is nearer than that of the battery


def test_samples_are_drawn_not_picked(pairs):
    found, _, _ = evaluate(settings_of(pairs), good=FakeGenerator(4))
    writer = found.writers[0]

    drawn = draw_samples(writer, "fr", seed=0)
    assert len(drawn) == 10 < len(writer.written_in("fr"))
    assert drawn == draw_samples(writer, "fr", seed=0) != draw_samples(writer, "fr", seed=1)
    assert {ranked.query.language for ranked in drawn} == {"fr"}


def test_the_report_has_tables_samples_and_queries_to_read_again(pairs, tmp_path):
    found, _, _ = evaluate(settings_of(pairs), **{"hf:good": FakeGenerator(2)})
    write_report(found, tmp_path / "report")

    text = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert "4 passages (pairs.jsonl: style question" in text and str(tmp_path) not in text
    assert "| French | human | 3 | – | 100.0 | 66.7 |" in text
    assert "### hf:good, German" in text and "(1): de 0 valve" in text
    lines = (tmp_path / "report" / "hf-good.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[0]) == {"passage_id": "battery", "language": "de", "query": "de 0 battery", "rank": 1}
    numbers = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))
    assert numbers["languages"]["fr"][HUMAN]["queries"] == 3 == to_json(found)["languages"]["fr"][HUMAN]["queries"]


def test_vectors_that_are_not_finite_are_refused(pairs):
    encoder = FakeEncoder()
    encoder.broken = {"valve"}
    with pytest.raises(EncodingError, match="not finite"):
        evaluate(settings_of(pairs), encoder, good=FakeGenerator(1))


def test_what_cannot_be_measured_is_refused(pairs, tmp_path):
    with pytest.raises(SettingsError, match="several styles"):
        settings_of(pairs, data=[f"{pairs}?style=search", str(pairs)])
    with pytest.raises(SettingsError, match="same name"):
        (tmp_path / "a" / "x").mkdir(parents=True)
        (tmp_path / "b" / "x").mkdir(parents=True)
        settings_of(pairs, generator=[f"hf:{tmp_path}/a/x", f"hf:{tmp_path}/b/x"])
    with pytest.raises(SettingsError, match="not known"):
        settings_of(pairs, generator=["none"])
    own = write_lines(tmp_path / "own.jsonl", [{"text": "t", "language": "en", "query": "q"}])
    with pytest.raises(SettingsError, match="--languages"):
        read_evaluation_data(settings_of(pairs, data=str(own)))
    empty = write_lines(tmp_path / "empty.jsonl", [{"text": "t", "language": "en", "query": ""}])
    with pytest.raises(InputError, match="no usable pairs"):
        read_evaluation_data(settings_of(pairs, data=str(empty)))


def test_generators_are_asked_to_drop_nothing_for_its_language():
    assert EveryLanguage().is_language("English", "ja", ["en"])


def test_names_in_reports_hide_folders(tmp_path):
    (tmp_path / "mine").mkdir()
    assert writer_name(f"hf:{tmp_path}/mine") == "hf:mine"
    assert [writer_name(spec) for spec in ("bundled", "hf:org/model", "openai:m")] == [
        "bundled",
        "hf:org/model",
        "openai:m",
    ]


def test_the_command_measures_a_file_of_queries(pairs, monkeypatch):
    monkeypatch.chdir(pairs.parent)
    lines = [{"passage_id": name, "language": "fr", "query": f"quel {name} ?"} for name in TEXTS]
    write_lines(Path("mine.jsonl"), lines)
    asked = ["--data", "pairs.jsonl?passages=passages.jsonl", "--generator", "file:mine.jsonl", "--languages", "fr"]
    command = ["-q", "evaluate-generator", *asked, "--queries-per-language", "1"]

    table = CliRunner().invoke(main, command)
    assert table.exit_code == 0, table.output
    assert "file:mine.jsonl" in table.output and "Macro average" in table.output and "1 records" in table.output
    result = CliRunner().invoke(main, [*command, "--json", "--report", "report"])
    numbers = json.loads(result.stdout)
    assert numbers["macro"]["file:mine.jsonl"]["queries"] == 4
    assert np.isclose(numbers["macro"]["file:mine.jsonl"]["first"], 1.0)
    assert Path("report/report.md").exists()
