"""What an evaluation tells: everything as JSON, and a folder with Markdown, JSON, per-query records, runs and plots."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from xqg.evaluation.evaluate import MACRO, Evaluation
from xqg.evaluation.measures import MRR, TOKEN_CUTS
from xqg.evaluation.plots import plot_languages
from xqg.evaluation.queries import UNKNOWN_LANGUAGE, QuerySet
from xqg.evaluation.statistics import LEVEL, Change, Interval, bootstrap_intervals, compare_evaluations
from xqg.languages import NAMES
from xqg.messages import markdown_table

SIGNIFICANT = "*"
HEADLINES = (MRR, next(iter(TOKEN_CUTS)))
"""The measures that are shown language by language first: one for each kind of label."""


@dataclass(frozen=True)
class NamedEvaluation:
    """An evaluation with the name of the collection that was searched."""

    name: str
    evaluation: Evaluation


@dataclass(frozen=True)
class EvaluationReport:
    """One evaluation, or two over the same queries, with their statistics; ``notes`` are what a reader must know."""

    collection: NamedEvaluation
    against: NamedEvaluation | None
    intervals: Mapping[str, Mapping[str, Interval]]
    changes: Mapping[str, tuple[Change, ...]]
    notes: tuple[str, ...]

    @property
    def languages(self) -> dict[str, int]:
        """The number of queries in each language."""
        return self.collection.evaluation.languages()

    @property
    def measures(self) -> tuple[str, ...]:
        """All measures that were taken."""
        return self.collection.evaluation.measures()

    @property
    def headlines(self) -> tuple[str, ...]:
        """The measures to look at first."""
        return tuple(measure for measure in HEADLINES if measure in self.measures)

    def to_json(self) -> dict[str, Any]:
        """Means by measure and language ("macro": over the languages), their 95 % intervals, and the comparison."""
        value: dict[str, Any] = {
            "collection": self.collection.name,
            "queries": self.languages,
            "measures": {measure: self.collection.evaluation.means(measure) for measure in self.measures},
            "intervals": {
                measure: {name: [found.low, found.high] for name, found in own.items()}
                for measure, own in self.intervals.items()
            },
            "notes": list(self.notes),
        }
        if self.against is not None:
            other = self.against.evaluation
            value["against"] = {
                "collection": self.against.name,
                "measures": {measure: other.means(measure) for measure in self.measures},
            }
            value["comparison"] = {
                measure: {change.language: change.to_json() for change in own} for measure, own in self.changes.items()
            }
        return value

    def language_rows(self, measure: str) -> tuple[list[str], list[list[str]]]:
        """Columns and rows of the table of a measure: a row for each language, the macro average last."""
        if self.against is not None:
            columns = ["questions in", "n", self.against.name, self.collection.name, "change", "95 % interval", "p", ""]
            return columns, [_change_row(change) for change in self.changes[measure]]
        means, intervals = self.collection.evaluation.means(measure), self.intervals[measure]
        counts = {name: len(values) for name, values in self.collection.evaluation.values(measure).items()}
        rows = [
            [language_label(name), str(counts[name]), f"{means[name]:.3f}", _span(intervals.get(name))]
            for name in counts
        ]
        total = str(sum(counts.values()))
        rows.append([language_label(MACRO), total, f"{means[MACRO]:.3f}", _span(intervals.get(MACRO))])
        return ["questions in", "n", self.collection.name, "95 % interval"], rows

    def macro_rows(self) -> tuple[list[str], list[list[str]]]:
        """Columns and rows of the table of all measures, macro averages."""
        tables = [(measure, self.language_rows(measure)) for measure in self.measures]
        columns = ["macro average", *tables[0][1][0][1:]]
        return columns, [[measure, *rows[-1][1:]] for measure, (_, rows) in tables]


def build_report(
    collection: NamedEvaluation, against: NamedEvaluation | None = None, notes: Sequence[str] = (), seed: int = 0
) -> EvaluationReport:
    """The report with its statistics.

    :param seed: of the bootstrap.
    :raises ValueError: if no measure was taken, or if the two did not search the same queries.
    """
    evaluation = collection.evaluation
    if not evaluation.measures():
        raise ValueError("no query has a label that a measure needs")
    intervals = {
        measure: bootstrap_intervals(evaluation.values(measure), MACRO, seed) for measure in evaluation.measures()
    }
    changes = {}
    if against is not None:
        changes = {
            measure: compare_evaluations(evaluation, against.evaluation, measure, seed)
            for measure in evaluation.measures()
        }
    return EvaluationReport(collection, against, intervals, changes, (*notes, *_gaps(evaluation)))


def query_notes(read: QuerySet) -> list[str]:
    """What a reader must know of the queries that were read."""
    notes = []
    if read.unlabelled:
        notes.append(f"{read.unlabelled} queries have no label, or only yes and no as answers, and were left out")
    if any(query.language == UNKNOWN_LANGUAGE for query in read.queries):
        notes.append(
            f"some queries name no language: they stand together as {UNKNOWN_LANGUAGE!r}; see --query-language"
        )
    return notes


def write_report(report: EvaluationReport, folder: Path) -> list[Path]:
    """Write report.md, report.json, queries.jsonl, a TREC run and plots into the folder, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    sides = [report.collection] if report.against is None else [report.collection, report.against]
    plots = [_plot(report, measure, folder) for measure in report.measures]
    runs = [_write_run(side, folder / f"{_token(side.name)}.trec") for side in sides]
    files = {
        "report.md": _markdown(report, plots),
        "report.json": json.dumps(report.to_json(), ensure_ascii=False, indent=1) + "\n",
        "queries.jsonl": "".join(_query_lines(sides)),
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [*(folder / name for name in files), *runs, *plots]


def language_label(code: str) -> str:
    """How a language is called in tables."""
    return {MACRO: "macro average", UNKNOWN_LANGUAGE: "not told"}.get(code, NAMES.get(code, code))


def _change_row(change: Change) -> list[str]:
    return [
        language_label(change.language),
        str(change.queries),
        f"{change.against:.3f}",
        f"{change.collection:.3f}",
        f"{change.difference:+.3f}",
        _span(change.interval, "+"),
        "–" if change.corrected is None else "<0.001" if change.corrected < 0.001 else f"{change.corrected:.3f}",
        SIGNIFICANT if change.significant else "",
    ]


def _span(interval: Interval | None, sign: str = "") -> str:
    return "–" if interval is None else f"{interval.low:{sign}.3f} to {interval.high:{sign}.3f}"


def _gaps(evaluation: Evaluation) -> list[str]:
    """What is missing, for each measure that only some queries have a label for."""
    notes: dict[str, None] = {}
    for measure in evaluation.measures():
        values = evaluation.values(measure)
        lacking = [name for name in evaluation.languages() if name not in values]
        label = "answers" if measure in TOKEN_CUTS else "relevant passages"
        if lacking:
            notes[f"no {label} in {', '.join(lacking)}: left out of the averages that need them"] = None
    few = [name for name, count in evaluation.languages().items() if count < 2]
    if few:
        notes[f"one query only in {', '.join(few)}: no interval and no test, and so none of the macro average"] = None
    return list(notes)


def _plot(report: EvaluationReport, measure: str, folder: Path) -> Path:
    rows = [
        {"language": name, "collection": side.name, measure: value}
        for side in (report.against, report.collection)
        if side is not None
        for name, value in side.evaluation.means(measure).items()
    ]
    return plot_languages(rows, measure, folder / f"{measure.replace('@', '-at-')}.png")


def _markdown(report: EvaluationReport, plots: Sequence[Path]) -> str:
    against = "" if report.against is None else f" against {report.against.name}"
    parts = [f"# {report.collection.name}{against}", "".join(f"> {note}\n" for note in report.notes).rstrip()]
    if report.against is not None:
        parts.append(
            f"p: paired t-test over queries, corrected for the number of languages (Holm); {SIGNIFICANT}: p < {LEVEL}. "
            "Intervals are of the change, by bootstrap."
        )
    parts.append("\n".join(markdown_table(*report.macro_rows())))
    for measure, plot in zip(report.measures, plots, strict=True):
        table = "\n".join(markdown_table(*report.language_rows(measure)))
        parts += [f"## {measure}", table, f"![{measure}]({plot.name})"]
    return "\n\n".join(part for part in parts if part) + "\n"


def _query_lines(sides: Sequence[NamedEvaluation]) -> list[str]:
    return [
        json.dumps({"collection": side.name, **result.to_json()}, ensure_ascii=False) + "\n"
        for side in sides
        for result in side.evaluation.results
    ]


def _write_run(side: NamedEvaluation, path: Path) -> Path:
    """TREC's six columns; what they cannot hold in an id or a name (white space, %) is written as in a URL."""
    lines = [
        f"{_token(result.query.id)} Q0 {_token(document.id)} {rank} {document.score!r} {_token(side.name)}\n"
        for result in side.evaluation.results
        for rank, document in enumerate(result.ranking, start=1)
    ]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def _token(text: str) -> str:
    return "".join(quote(letter) if letter.isspace() or letter in "%/" else letter for letter in text)
