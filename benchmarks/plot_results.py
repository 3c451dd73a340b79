"""Draws docs/results.svg from the table of results in README.md: R@1 of plain vectors and of xqg.

python benchmarks/plot_results.py README.md docs/results.svg
"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt

COLUMNS = {"plain": ("#b8bec7", "plain vectors"), "xqg": ("#2563a8", "xqg")}


def read_table(page: str) -> dict[str, dict[str, float]]:
    """R@1 by collection and column, from the first table of the page that has both columns."""
    lines = [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in re.findall(r"^\|.*\|$", page, re.M)]
    head = next(line for line in lines if set(COLUMNS) <= set(line))
    rows = [line for line in lines[lines.index(head) + 2 :] if len(line) == len(head)]
    return {row[0]: {name: float(row[head.index(name)]) for name in COLUMNS} for row in rows}


def draw(table: dict[str, dict[str, float]], path: Path) -> None:
    mpl.rcParams |= {"svg.hashsalt": "xqg", "svg.fonttype": "none", "font.size": 10}
    mpl.rcParams |= {"axes.spines.top": False, "axes.spines.right": False}
    figure, axes = plt.subplots(figsize=(9, 3.4), layout="constrained")
    for offset, (name, (colour, label)) in zip((-0.2, 0.2), COLUMNS.items(), strict=True):
        values = [row[name] for row in table.values()]
        bars = axes.bar([place + offset for place in range(len(values))], values, 0.38, color=colour, label=label)
        axes.bar_label(bars, [f"{value:.2f}" for value in values], padding=2, fontsize=9)
    axes.set_xticks(range(len(table)), [textwrap.fill(label, 18) for label in table])
    axes.tick_params(axis="x", labelsize=8)
    axes.set_ylabel("right page first (R@1)")
    axes.set_ylim(0, 1.05)
    axes.legend(frameon=False, loc="upper left", ncols=2)
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    draw(read_table(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2]))
