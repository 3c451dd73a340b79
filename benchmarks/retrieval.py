"""The README's results from the raw files: generates queries, encodes, fuses with every rule, and measures.

    python benchmarks/retrieval.py [--data ../shared/data] [--folder benchmark-data] [--json retrieval.json]

Generated queries and vectors are kept in the folder; the second run takes a minute instead of an hour and more. Of
XQuAD only the questions on articles 24-31 are asked, among the passages of all articles: on the others the bundled
generator was trained.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from pools import DATA
from tasks import Task, load, read_tasks

from xqg.console import print_lines, print_table
from xqg.evaluation.clustered import clustered_p
from xqg.evaluation.comparison import compare_evaluations
from xqg.evaluation.evaluate import MACRO, Evaluation
from xqg.evaluation.measures import MRR
from xqg.evaluation.statistics import holm
from xqg.ingest.readers.squad import parse_articles
from xqg.records import FusionRule
from xqg.settings import PAPER_ALPHA, UNCALIBRATED_ALPHA
from xqg.sweep.cells import MEASURES, Cell, build, evaluate_stored, only_languages, plain
from xqg.sweep.material import Material

PLAIN, SUM = "plain", f"sum, α = {PAPER_ALPHA} (the paper)"
COLUMNS = ["stored vector", "α", "share", "R@1", "MRR@10", "nDCG@10", "own R@1", "own MRR", "p plain", "p sum"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--folder", type=Path, default=Path("benchmark-data"))
    parser.add_argument("--articles", default="24-31", help="XQuAD articles to ask questions on, FIRST-LAST")
    parser.add_argument("--json", type=Path, default=None)
    options = parser.parse_args()
    tasks = read_tasks(options.data, parse_articles(options.articles))
    results = {}
    for task in tasks:
        english = tasks[0] if task.generated == tasks[0].generated else task
        material = load(task, english, options.folder)
        results[task.name] = measure(task, material)
        show(task, material, results[task.name])
    if options.json is not None:
        options.json.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def systems(targets: tuple[str, ...]) -> dict[str, Cell | None]:
    return {
        PLAIN: None,
        SUM: Cell(FusionRule.SUM, targets),
        f"mean, α = {UNCALIBRATED_ALPHA}": Cell(FusionRule.MEAN, targets, UNCALIBRATED_ALPHA, calibrated=False),
        "mean, calibrated": Cell(FusionRule.MEAN, targets),
        "neutral, α = 0": Cell(FusionRule.NEUTRAL, targets, 0.0, share=1.0),
        f"neutral, α = {DEFAULT_ALPHA}": Cell(FusionRule.NEUTRAL, targets, DEFAULT_ALPHA, share=1.0),
        "neutral, calibrated": Cell(FusionRule.NEUTRAL, targets),
        "per-language, calibrated": Cell(FusionRule.PER_LANGUAGE, targets),
    }


def measure(task: Task, material: Material) -> dict[str, dict[str, Any]]:
    """Each system's means, its changes by language, and the corrected p of its macro average."""
    built = {
        name: plain(material) if cell is None else build(material, cell) for name, cell in systems(task.targets).items()
    }
    evaluations = {name: evaluate_stored(material, stored) for name, stored in built.items()}
    own = material.own_language
    asked = [code for code in evaluations[PLAIN].languages() if code != own]
    foreign = {name: only_languages(found, asked) for name, found in evaluations.items()}
    against_plain, against_sum = (corrected(foreign, against) for against in (PLAIN, SUM))
    results = {}
    for name, found in foreign.items():
        fusion = built[name].fusion
        results[name] = {
            "alpha": fusion.alpha,
            "share": fusion.share,
            "macro": {measure: found.means(measure)[MACRO] for measure in MEASURES},
            "own": {measure: evaluations[name].means(measure).get(own) for measure in MEASURES if own is not None},
            "languages": {measure: evaluations[name].means(measure) for measure in MEASURES},
            "p against plain": against_plain.get(name),
            "p against sum": against_sum.get(name),
            "changes": {
                change.language: change.to_json()
                for change in compare_evaluations(evaluations[name], evaluations[PLAIN], MRR)
            },
        }
    return results


def corrected(evaluations: dict[str, Evaluation], against: str) -> dict[str, float | None]:
    """The p of each system's MRR@10 against one of them, corrected for their number (Holm)."""
    names = [name for name in evaluations if name not in (PLAIN, against)]
    tested = [clustered_p(evaluations[name], evaluations[against], MRR) for name in names]
    return dict(zip(names, holm(tested), strict=True))


def show(task: Task, material: Material, results: dict[str, dict[str, Any]]) -> None:
    rows = [
        [
            name,
            f"{found['alpha']:g}",
            f"{found['share']:g}",
            *(f"{found['macro'][measure]:.3f}" for measure in MEASURES),
            *(tell(found["own"].get(measure)) for measure in MEASURES[:2]),
            tell(found["p against plain"]),
            tell(found["p against sum"]),
        ]
        for name, found in results.items()
    ]
    print_table(task.name, COLUMNS, rows)
    counts = {
        code: sum(query.language == code for query in material.queries) for code in results[PLAIN]["languages"][MRR]
    }
    asked = ", ".join(f"{code} {count}" for code, count in counts.items() if count)
    print_lines(
        f"{len(material.passages)} passages, {len(material.texts.owners)} generated queries; questions: {asked}.",
        "Macro averages over the languages other than the passages' own; p of MRR@10, by passages, corrected (Holm).",
        "",
    )


def tell(value: float | None) -> str:
    return "–" if value is None else "<0.001" if value < 0.001 else f"{value:.3f}"


if __name__ == "__main__":
    main()
