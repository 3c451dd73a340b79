"""Draws docs/results.svg from what `benchmarks/retrieval.py --json` wrote: R@1 of plain vectors and of views.

python benchmarks/plot.py retrieval.json docs/results.svg
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt

LABELS = {
    "mlqa": "MLQA\n978 passages",
    "gnome": "GNOME help\n296 pages",
    "debian": "Debian\n10,000 packages",
    "xquad": "XQuAD\n160 passages",
    "xquad-mixed": "XQuAD, texts in\n12 languages",
    "sample": "the demo's sample\n120 pages",
}


def main() -> None:
    results = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    mpl.rcParams |= {"svg.hashsalt": "xqg", "font.size": 10, "axes.spines.top": False, "axes.spines.right": False}
    figure, axes = plt.subplots(figsize=(9, 3.4), layout="constrained")
    for offset, rule, colour, label in ((-0.2, "plain", "#b8bec7", "plain vectors"), (0.2, "views", "#2563a8", "xqg")):
        values = [results[name]["rules"][rule]["macro"]["recall@1"] for name in LABELS]
        bars = axes.bar([place + offset for place in range(len(values))], values, 0.38, color=colour, label=label)
        axes.bar_label(bars, [f"{value:.2f}".lstrip("0") for value in values], padding=2, fontsize=9)
    axes.set_xticks(range(len(LABELS)), LABELS.values())
    axes.set_ylabel("right page first (R@1)")
    axes.set_ylim(0, 1.05)
    axes.legend(frameon=False, loc="upper left", ncols=2)
    figure.savefig(sys.argv[2], metadata={"Date": None})


if __name__ == "__main__":
    main()
