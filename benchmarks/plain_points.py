"""What plain points among views cost (other writers add them to augmented collections), and the scale of the scores.

    python benchmarks/plain_points.py [POOL ...] [--share 0.05] [--draws 12] [--data ../shared/data] [--folder FOLDER]
        [--json FILE]

A share of a pool's passages, drawn by lot, keeps its plain vector; the others have the rows of the rule, nothing
generated. Change of MRR@10 (macro, exact search) against the pool without plain points, mean and standard deviation of
the draws; and the median over all questions of the best score, where all passages have such rows.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
from pools import DATA, POOLS, read_pool
from retrieval import foreign

from xqg.assembly import build_encoder
from xqg.console import print_table
from xqg.evaluation.evaluate import MACRO
from xqg.evaluation.measures import MRR
from xqg.evaluation.sweep.grid import PLAIN, Cell, build, evaluate_stored
from xqg.evaluation.sweep.material import Material, VectorCache, gather
from xqg.fusion.rules import StoredRows
from xqg.records import FusionRule
from xqg.settings import EncoderSettings

KEYS = ("pure", "change", "deviation", "best")
COLUMNS = ["rows", "MRR@10", "change", "s.d.", "best score, median"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pools", nargs="*", metavar="POOL", help=f"default: all; of {', '.join(POOLS)}")
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--draws", type=int, default=12, help="two or more")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--folder", type=Path, default=Path("benchmark-data"))
    parser.add_argument("--json", type=Path, default=None)
    options = parser.parse_args()
    cache = VectorCache(build_encoder(EncoderSettings()), options.folder)
    results = {}
    for name in options.pools or POOLS:
        pool = read_pool(name, options.data)
        material = gather(pool.passages, {}, pool.queries, cache, neutral=True)
        plain = build(material, PLAIN)
        results[name] = {
            rule.value: measure(material, build(material, Cell(rule, ())), plain, options.share, options.draws)
            for rule in (FusionRule.VIEWS, FusionRule.NEUTRAL)
        }
        results[name]["plain"] = {"pure": reciprocal_rank(material, plain), "best": best_score(material, plain)}
        show(name, results[name])
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def measure(material: Material, stored: StoredRows, plain: StoredRows, share: float, draws: int) -> dict[str, float]:
    pure = reciprocal_rank(material, stored)
    count = max(1, round(share * len(material.passages)))
    changes = []
    for seed in range(draws):
        chosen = np.random.default_rng(seed).choice(len(material.passages), count, replace=False)
        changes.append(reciprocal_rank(material, replaced(stored, plain, set(chosen.tolist()))) - pure)
    return {
        "pure": pure,
        "change": fmean(changes),
        "deviation": stdev(changes),
        "best": best_score(material, stored),
    }


def replaced(stored: StoredRows, plain: StoredRows, chosen: set[int]) -> StoredRows:
    """The stored rows, but for the chosen passages' plain ones."""
    groups = stored.by_passage(len(plain.vectors))
    rows = [plain.vectors[[place]] if place in chosen else own for place, own in enumerate(groups)]
    return StoredRows(np.concatenate(rows), np.repeat(np.arange(len(rows)), [len(own) for own in rows]))


def reciprocal_rank(material: Material, stored: StoredRows) -> float:
    return foreign(evaluate_stored(material, stored), material).means(MRR)[MACRO]


def best_score(material: Material, stored: StoredRows) -> float:
    batches = np.array_split(material.asked, 1 + len(material.asked) // 1024)
    return float(np.median(np.concatenate([(batch @ stored.vectors.T).max(axis=1) for batch in batches])))


def show(name: str, result: Mapping[str, Mapping[str, float]]) -> None:
    rows = [[rule, *(f"{found[key]:.4f}" if key in found else "–" for key in KEYS)] for rule, found in result.items()]
    print_table(name, COLUMNS, rows)


if __name__ == "__main__":
    main()
