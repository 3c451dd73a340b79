"""Plots of quality by language, and against what was varied; each takes rows and writes one PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from xqg.evaluation.evaluate import MACRO

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row: TypeAlias = Mapping[str, Any]
"""What was varied by name, ``language`` ("macro": the average), and the measures by name."""

HEIGHT, DOTS_PER_INCH = 4.0, 150


def plot_languages(rows: Sequence[Row], measure: str, path: Path) -> Path:
    """Bars of a measure by language, one for each value of ``collection``; returns ``path``."""
    languages = list(dict.fromkeys(row["language"] for row in rows))
    collections = list(dict.fromkeys(row["collection"] for row in rows))
    width = 0.8 / max(1, len(collections))

    def draw(axes: Axes) -> None:
        for number, name in enumerate(collections):
            own = {row["language"]: row[measure] for row in rows if row["collection"] == name}
            places = [languages.index(language) + (number + 0.5) * width - 0.4 for language in own]
            axes.bar(places, list(own.values()), width, label=name)
        axes.set_xticks(range(len(languages)), languages)
        axes.set_ylim(bottom=0)

    return _save(draw, measure, path, max(5.0, 0.5 * len(languages) * max(1, len(collections)) ** 0.5 + 2))


def plot_lines(rows: Sequence[Row], varied: str, label: str, measure: str, path: Path) -> Path:
    """A measure against ``varied``, an axis called ``label``, a line for each language; returns ``path``."""

    def draw(axes: Axes) -> None:
        for language in dict.fromkeys(row["language"] for row in rows):
            points = sorted((row[varied], row[measure]) for row in rows if row["language"] == language)
            style: dict[str, Any] = {"color": "black", "linewidth": 2.5} if language == MACRO else {"linewidth": 1}
            axes.plot([x for x, _ in points], [y for _, y in points], marker="o", label=language, **style)
        axes.set_xlabel(label)

    return _save(draw, measure, path, 7.0)


def _save(draw: Any, measure: str, path: Path, width: float) -> Path:
    """Draw on a figure of its own: matplotlib's ``pyplot`` would keep every figure of the process."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, HEIGHT), layout="constrained")
    axes = figure.add_subplot()
    draw(axes)
    axes.set_ylabel(measure)
    axes.grid(axis="y", alpha=0.3)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(path, dpi=DOTS_PER_INCH)
    return path
