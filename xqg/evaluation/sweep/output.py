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
from xqg.evaluation.plots import plot_lines
from xqg.evaluation.sweep.grid import HIT, MEASURES, Cell, Row
from xqg.messages import markdown_table

COLUMNS = ["rule", "texts", "a language", "languages", "α", HIT, *MEASURES[1:], "own R@1", "own MRR", "p"]
PLOTS = {
    "alpha": "α, weight of the queries",
    "queries_per_language": "generated queries per language",
    "target_languages": "number of target languages",
}
"""What can be varied, with the label of its axis."""


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
        lines.append(
            [
                cell.rule.value,
                cell.augment_with if cell.languages else "–",
                "–"
                if not cell.languages
                else "all"
                if cell.texts_per_language is None
                else str(cell.texts_per_language),
                str(len(cell.languages)),
                f"{cell.weight:g}",
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
    return cell.augment_with, cell.texts_per_language, len(cell.languages), cell.rule, cell.alpha


def _mean(group: Sequence[Row], measure: str, language: str | None) -> float:
    return math.fsum(row.means[measure][str(language)] for row in group) / len(group)


def _plot(rows: Sequence[Row], varied: str, folder: Path) -> Path | None:
    """MRR@10 against what was varied, the rest as it was asked for first, with the most languages; None if not varied.

    Cells that leave what was varied to the rule, or take all texts, have no place on its axis.
    """
    cells = [(row, _places(row.cell)) for row in rows[1:]]
    fixed = max((places for _, places in cells), key=lambda places: places["target_languages"] or 0)
    groups: dict[tuple[str, float], list[Row]] = {}
    for row, places in cells:
        place = places[varied]
        if place is not None and all(places[name] == fixed[name] for name in PLOTS if name != varied):
            groups.setdefault((f"{row.cell.rule.value}, {row.cell.augment_with}", place), []).append(row)
    axis = sorted(dict.fromkeys(place for _, place in groups))
    if len(axis) < 2:
        return None
    lines = [{"language": name, varied: place, MRR: _mean(own, MRR, MACRO)} for (name, place), own in groups.items()]
    lines += [{"language": "plain", varied: place, MRR: rows[0].means[MRR][MACRO]} for place in axis]
    return plot_lines(lines, varied, PLOTS[varied], MRR, folder / f"{varied.replace('_', '-')}.png")


def _places(cell: Cell) -> dict[str, float | None]:
    """Where a cell stands on the axes of `PLOTS`."""
    return {
        "alpha": cell.alpha,
        "queries_per_language": cell.texts_per_language,
        "target_languages": len(cell.languages),
    }


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
    table = "\n".join(markdown_table(COLUMNS, table_rows(rows, own)))
    notes = (
        "Macro averages over the languages other than the passages' own. p: MRR@10 against plain, passages as units, "
        "corrected for the number of cells (Holm); draws of languages are averaged."
    )
    pictures = [f"![{plot.stem}]({plot.name})" for plot in plots]
    return "\n\n".join(["# Sweep", table, notes, *pictures]) + "\n"
