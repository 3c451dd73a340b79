"""The demo's questions on its stored queries, fused with other rules and weights; generates nothing.

make demo && python benchmarks/weights.py [--path demo-data] [--json weights.json]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path

import numpy as np

from xqg.console import print_table
from xqg.demo import AUGMENTED, OWN_LANGUAGE
from xqg.encoders.bundled import BundledEncoder
from xqg.ingest.fusion import fuse
from xqg.ingest.planning import flatten
from xqg.records import FusionRule, Vectors, owners
from xqg.stores.edge import EdgeStore

QUESTIONS = Path(__file__).parent.parent / "xqg" / "sample" / "questions.jsonl"
WEIGHTS = {FusionRule.MEAN: (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6), FusionRule.SUM: (0.01, 0.02, 0.05, 0.1)}
DEPTH = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--path", type=Path, default=Path("demo-data"))
    parser.add_argument("--json", type=Path, default=None)
    options = parser.parse_args()
    rows = measure(options.path)
    columns = ["rule", "alpha", "R@1", "MRR@10", "English R@1"]
    print_table("Macro average over the other languages", columns, [[str(value) for value in row] for row in rows])
    if options.json is not None:
        options.json.write_text(json.dumps([dict(zip(columns, row, strict=True)) for row in rows]), encoding="utf-8")


def measure(path: Path) -> list[list[str | float]]:
    """Rule, α and the three measures, a row for each weight; cosine similarity, as the demo's collection."""
    encoder = BundledEncoder()
    with closing(EdgeStore(path, AUGMENTED)) as store:
        points = list(store.points())
    passages = [point.passage for point in points]
    queries = list(chain.from_iterable(flatten(point.passage, point.entry.queries) for point in points))
    passage_vectors = encoder.encode_passages(passages)
    query_vectors = encoder.encode_queries([query.text for query in queries])
    asked = [json.loads(line) for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    question_vectors = encoder.encode_queries([question["query"] for question in asked])
    row_of = {passage.id: row for row, passage in enumerate(passages)}
    gold = np.array([row_of[question["passage_id"]] for question in asked])
    languages = [question["language"] for question in asked]
    rows: list[list[str | float]] = []
    for rule, weights in WEIGHTS.items():
        for alpha in weights:
            fused = fuse(passage_vectors, query_vectors, owners(passages, queries), rule, alpha)
            rows.append([rule.value, alpha, *scores(question_vectors, fused, gold, languages)])
    return rows


def scores(questions: Vectors, stored: Vectors, gold: np.ndarray, languages: Sequence[str]) -> list[float]:
    """Macro R@1 and MRR@10 without the passages' own language, and its R@1; ties count against us."""
    similarity = questions @ (stored / np.linalg.norm(stored, axis=1, keepdims=True)).T
    ranks = (similarity >= similarity[np.arange(len(gold)), gold][:, None]).sum(axis=1)
    first, reciprocal = ranks == 1, np.where(ranks <= DEPTH, 1 / ranks, 0)
    masks = {language: np.array([code == language for code in languages]) for language in dict.fromkeys(languages)}
    own = masks.pop(OWN_LANGUAGE)
    means = [np.mean([values[mask].mean() for mask in masks.values()]) for values in (first, reciprocal)]
    return [round(float(value), 3) for value in (*means, first[own].mean())]


if __name__ == "__main__":
    main()
