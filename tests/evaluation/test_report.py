from __future__ import annotations

import json
from pathlib import Path

import pytest

from xqg.evaluation.evaluate import Evaluation, QueryResult, RankedDocument
from xqg.evaluation.plots import plot_languages, plot_lines
from xqg.evaluation.queries import LabelledQuery, QuerySet
from xqg.evaluation.report import NamedEvaluation, build_report, query_notes, write_report
from xqg.evaluation.statistics import compare_evaluations


def evaluation(**values: list[float]) -> Evaluation:
    """Values of MRR@10 by language."""
    return Evaluation(
        tuple(
            QueryResult(
                LabelledQuery(f"{language} {number}", language, "q", {"a": 1}),
                (RankedDocument("a b", 0.5), RankedDocument("c%", 0.25)),
                {"MRR@10": value},
            )
            for language, own in values.items()
            for number, value in enumerate(own)
        )
    )


def test_changes_by_hand() -> None:
    fr, ja, macro = compare_evaluations(
        evaluation(fr=[1.0, 0.5], ja=[0.5, 0.5]), evaluation(fr=[0.0, 0.5], ja=[0.5, 0.5]), "MRR@10"
    )
    assert (fr.language, fr.queries, fr.collection, fr.against, fr.difference) == ("fr", 2, 0.75, 0.25, 0.5)
    assert (fr.p, fr.corrected) == pytest.approx((0.5, 1.0))
    assert (ja.difference, ja.p, ja.corrected, ja.significant) == (0, 1, 1, False)
    assert (macro.language, macro.queries, macro.difference) == ("macro", 4, 0.25)
    assert macro.corrected == macro.p
    assert ja.interval is not None
    assert (ja.interval.low, ja.interval.high) == (0, 0)


def test_a_change_below_005_after_correction_is_significant() -> None:
    better, worse = [0.9, 1.0, 0.8, 0.95, 0.9], [0.1, 0.3, 0.2, 0.1, 0.2]
    (fr, _) = compare_evaluations(evaluation(fr=better), evaluation(fr=worse), "MRR@10")
    assert fr.significant
    assert not compare_evaluations(evaluation(fr=better), evaluation(fr=better), "MRR@10")[0].significant


def test_only_the_same_queries_can_be_compared() -> None:
    with pytest.raises(ValueError, match="same queries"):
        compare_evaluations(evaluation(fr=[1.0]), evaluation(ja=[1.0]), "MRR@10")


def test_the_folder_holds_everything(tmp_path: Path) -> None:
    ours, theirs = evaluation(fr=[1.0, 0.5], ja=[1.0, 0.5]), evaluation(fr=[0.5, 0.5], ja=[0.5, 0.25])
    report = build_report(NamedEvaluation("help xqg", ours), NamedEvaluation("help", theirs), ["made up"])
    names = {path.name for path in write_report(report, tmp_path / "out")}
    assert names == {"report.md", "report.json", "queries.jsonl", "help%20xqg.trec", "help.trec", "MRR-at-10.png"}
    assert names == {path.name for path in (tmp_path / "out").iterdir()}
    assert json.loads((tmp_path / "out/report.json").read_text(encoding="utf-8")) == report.to_json()
    assert (tmp_path / "out/MRR-at-10.png").read_bytes().startswith(b"\x89PNG")
    run = (tmp_path / "out/help%20xqg.trec").read_text(encoding="utf-8").splitlines()
    assert run[:2] == ["fr%200 Q0 a%20b 1 0.5 help%20xqg", "fr%200 Q0 c%25 2 0.25 help%20xqg"]
    assert len(run) == 8
    records = [json.loads(line) for line in (tmp_path / "out/queries.jsonl").read_text(encoding="utf-8").splitlines()]
    first = {
        "collection": "help xqg",
        "id": "fr 0",
        "language": "fr",
        "values": {"MRR@10": 1.0},
        "found": ["a b", "c%"],
    }
    assert (len(records), records[0]) == (8, first)
    markdown = (tmp_path / "out/report.md").read_text(encoding="utf-8")
    assert "> made up" in markdown
    assert "| French | 2 | 0.500 | 0.750 | +0.250 |" in markdown
    assert "![MRR@10](MRR-at-10.png)" in markdown


def test_without_any_label_there_is_nothing_to_report() -> None:
    with pytest.raises(ValueError, match="no query has a label"):
        build_report(NamedEvaluation("help", Evaluation(())))


def test_json_has_the_means_by_measure_and_language() -> None:
    value = build_report(NamedEvaluation("help", evaluation(fr=[1.0, 0.5], ja=[0.25, 0.25]))).to_json()
    assert value["measures"] == {"MRR@10": {"macro": 0.5, "fr": 0.75, "ja": 0.25}}
    assert value["queries"] == {"fr": 2, "ja": 2}
    assert value["intervals"]["MRR@10"]["ja"] == [0.25, 0.25]
    assert "comparison" not in value


def test_what_is_missing_is_said() -> None:
    report = build_report(NamedEvaluation("help", evaluation(fr=[1.0], ja=[0.5, 0.5])))
    assert any("one query only in fr" in note for note in report.notes)
    mixed = Evaluation(
        (
            QueryResult(LabelledQuery("1", "fr", "q", {"a": 1}), (), {"MRR@10": 1.0}),
            QueryResult(LabelledQuery("2", "ja", "q", {}, ("x",)), (), {"R@2kt": 1.0}),
        )
    )
    notes = build_report(NamedEvaluation("help", mixed)).notes
    assert any("no answers in fr" in note for note in notes)
    assert any("no relevant passages in ja" in note for note in notes)
    assert query_notes(QuerySet((LabelledQuery("1", "und", "q", {"a": 1}),), 3)) == [
        "3 queries have no label, or only yes and no as answers, and were left out",
        "some queries name no language: they stand together as 'und'; see --query-language",
    ]


def test_a_single_evaluation_has_tables_without_p() -> None:
    report = build_report(NamedEvaluation("help", evaluation(fr=[1.0, 1.0])))
    columns, rows = report.language_rows("MRR@10")
    assert columns == ["questions in", "n", "help", "95 % interval"]
    assert rows[0] == ["French", "2", "1.000", "1.000 to 1.000"]
    assert report.macro_rows()[1] == [["MRR@10", "2", "1.000", "1.000 to 1.000"]]


def test_plots_take_rows(tmp_path: Path) -> None:
    rows = [
        {"alpha": x, "language": code, "collection": "c", "MRR@10": x} for x in (0.1, 0.2) for code in ("macro", "fr")
    ]
    bars = plot_languages(rows, "MRR@10", tmp_path / "bars.png")
    lines = plot_lines(rows, "alpha", "α", "MRR@10", tmp_path / "lines.png")
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in (bars, lines))
