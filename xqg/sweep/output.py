"""What a sweep leaves behind: rows as CSV and JSON, a Markdown table, and plots with a line for each rule."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xqg.evaluation.evaluate import MACRO
from xqg.evaluation.measures import MRR
from xqg.evaluation.plots import plot_alpha, plot_queries_per_language, plot_target_languages
from xqg.sweep.cells import HIT, MEASURES
from xqg.sweep.grid import Row

COLUMNS = ["rule", "texts", "a language", "languages", "α", HIT, *MEASURES[1:], "own R@1", "own MRR", "p"]
PLOTS = {
    "alpha": plot_alpha,
    "queries_per_language": plot_queries_per_language,
    "target_languages": plot_target_languages,
}


def write_sweep(rows: Sequence[Row], own: str | None, folder: Path) -> list[Path]:
    """Write sweep.json, sweep.csv, sweep.md and a plot for everything that was varied; returns their paths.

    :param own: the language of the passages, None where they have several.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in ("sweep.json", "sweep.csv", "sweep.md")]
    values = [row.to_json() for row in rows]
    paths[0].write_text(json.dumps(values, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    _write_csv(values, paths[1])
    plots = [path for name in PLOTS if (path := _plot(rows, name, folder)) is not None]
    paths[2].write_text(_markdown(rows, own, plots), encoding="utf-8")
    return [*paths, *plots]


def table_rows(rows: Sequence[Row], own: str | None) -> list[list[str]]:
    """A line for each row, in the order of `COLUMNS`; draws of the same cell are averaged, without a p."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(_settings(row), []).append(row)
    lines = []
    for group in groups.values():
        first, cell = group[0], group[0].cell
        alphas = sorted({row.alpha for row in group})
        lines.append(
            [
                "plain" if cell is None else cell.rule.value,
                "–" if cell is None else cell.augment_with,
                "–" if cell is None else "all" if cell.texts_per_language is None else str(cell.texts_per_language),
                "–" if cell is None else str(len(cell.languages)),
                "–" if cell is None else ("" if cell.alpha is not None else "≈") + " to ".join(_ends(alphas)),
                *(f"{_mean(group, measure, MACRO):.3f}" for measure in MEASURES),
                *(
                    "–" if own not in first.means[measure] else f"{_mean(group, measure, own):.3f}"
                    for measure in (HIT, MRR)
                ),
                "–" if first.p is None or len(group) > 1 else "<0.001" if first.p < 0.001 else f"{first.p:.3f}",
            ]
        )
    return lines


def _settings(row: Row) -> tuple[Any, ...]:
    """What two draws of the same cell share."""
    cell = row.cell
    return (
        () if cell is None else (cell.augment_with, cell.texts_per_language, len(cell.languages), cell.rule, cell.alpha)
    )


def _ends(alphas: Sequence[float]) -> list[str]:
    return [f"{alpha:g}" for alpha in (alphas if len(alphas) < 2 else (alphas[0], alphas[-1]))]


def _mean(group: Sequence[Row], measure: str, language: str | None) -> float:
    return math.fsum(row.means[measure][str(language)] for row in group) / len(group)


def _plot(rows: Sequence[Row], varied: str, folder: Path) -> Path | None:
    """MRR@10 against what was varied, everything else at its first value; None if it was not varied."""
    points = [(_line(row), _place(row, varied), row) for row in rows if row.cell is not None]
    points = [(name, place, row) for name, place, row in points if place is not None]
    if len({place for _, place, _ in points}) < 2:
        return None
    others = [key for key in ("alpha", "queries_per_language", "target_languages") if key != varied]
    fixed = {key: _first(rows, key) for key in others}
    groups: dict[tuple[str, float], list[Row]] = {}
    for name, place, row in points:
        if all(_first([row], key) == value for key, value in fixed.items()):
            groups.setdefault((name, place), []).append(row)
    lines = [
        {"language": name, varied: place, MRR: _mean(group, MRR, MACRO)} for (name, place), group in groups.items()
    ]
    lines += [
        {"language": "plain", varied: place, MRR: rows[0].means[MRR][MACRO]} for place in {place for _, place in groups}
    ]
    return PLOTS[varied](lines, MRR, folder / f"{varied.replace('_', '-')}.png")


def _line(row: Row) -> str:
    cell = row.cell
    return "plain" if cell is None else f"{cell.rule.value}, {cell.augment_with}"


def _place(row: Row, varied: str) -> float | None:
    """Where a row stands on an axis; None where that was left to the calibration or to all texts."""
    cell = row.cell
    if cell is None:
        return None
    return {
        "alpha": cell.alpha,
        "queries_per_language": cell.texts_per_language,
        "target_languages": len(cell.languages),
    }[varied]


def _first(rows: Sequence[Row], varied: str) -> float | None:
    """The value that other plots hold it at: α and texts as first given, of the languages the most."""
    places = [_place(row, varied) for row in rows if row.cell is not None]
    return max(place or 0 for place in places) if varied == "target_languages" else places[0]


def _write_csv(values: Sequence[dict[str, Any]], path: Path) -> None:
    languages = list(values[0][MRR])
    names = [name for name in values[0] if name not in MEASURES]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*names, *(f"{measure} {code}" for measure in MEASURES for code in languages)])
        for value in values:
            told = [" ".join(value[name]) if name == "languages" else value[name] for name in names]
            writer.writerow([*told, *(value[measure][code] for measure in MEASURES for code in languages)])


def _markdown(rows: Sequence[Row], own: str | None, plots: Sequence[Path]) -> str:
    lines = [COLUMNS, ["---"] * len(COLUMNS), *table_rows(rows, own)]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    notes = (
        "Macro averages over the languages other than the passages' own; ≈: calibrated. p: MRR@10 against plain, "
        "passages as units, corrected for the number of cells (Holm); draws of languages are averaged."
    )
    pictures = [f"![{plot.stem}]({plot.name})" for plot in plots]
    return "\n\n".join(["# Sweep", table, notes, *pictures]) + "\n"
