"""Does it help fused vectors to drop, weigh or replace generated queries? Measured for the rule `neutral`.

    python benchmarks/filtering.py [--data ../shared/data] [--folder benchmark-data] [--json filtering.json]

Filters after doc2query-- (Gospodinov, MacAvaney, Macdonald 2023), for which no numbers on dense vectors are known.
Similarity of a query and its passage, and the round trip, are taken after the language subspace was removed from both.
Parameters are to be chosen on the tuning questions (XQuAD articles 0-23, Debian's first 600 passages); p is that of
the others' MRR@10 against no filter, by passages, corrected for the number of variants (Holm).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pools import DATA, article_passages
from tasks import load, read_tasks

from xqg.console import print_table
from xqg.evaluation.clustered import clustered_p
from xqg.evaluation.evaluate import MACRO, Evaluation
from xqg.evaluation.measures import MRR
from xqg.evaluation.statistics import holm
from xqg.ingest.calibration import DEFAULT_ALPHA
from xqg.ingest.fusion import Fusion, fuse
from xqg.ingest.subspace import remove, unit_rows
from xqg.records import FusionRule
from xqg.sweep.cells import Cell, Stored, choose_fusion, evaluate_stored, only_languages
from xqg.sweep.material import Material, Texts

NO_FILTER = "no filter"
TUNING_ARTICLES, TUNING_PASSAGES = (0, 23), 600
COLUMNS = ["variant", "queries kept", "tuning", "MRR@10", "change", "p"]

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Bench:
    """Foreign generated texts of a task, and how near each is to its passage.

    ``similarity`` (m,); ``rank`` (m,) of its passage among all, from 1.
    """

    material: Material
    texts: Texts
    fusion: Fusion
    similarity: Doubles
    rank: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Outcome:
    kept: float
    evaluation: Evaluation


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--folder", type=Path, default=Path("benchmark-data"))
    parser.add_argument("--json", type=Path, default=None)
    options = parser.parse_args()
    tasks = read_tasks(options.data)
    results = {}
    for task in tasks:
        english = tasks[0] if task.generated == tasks[0].generated else task
        material = load(task, english, options.folder)
        tuning = article_passages(options.data, *TUNING_ARTICLES)
        if task.generated != tasks[0].generated:
            tuning = {passage.id for passage in task.passages[:TUNING_PASSAGES]}
        rows = measure(prepare(material, task.targets), tuning)
        print_table(f"{task.name}, neutral, α = {DEFAULT_ALPHA}", COLUMNS, rows)
        results[task.name] = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    if options.json is not None:
        options.json.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def prepare(material: Material, targets: tuple[str, ...]) -> Bench:
    fusion = choose_fusion(material, material.texts, Cell(FusionRule.NEUTRAL, targets, DEFAULT_ALPHA, share=1.0))
    texts = material.texts
    foreign = texts.languages != material.spoken[texts.owners]
    texts = texts.select(foreign & np.isin(texts.languages, list(targets)))
    passages, queries = bare(fusion, material.vectors), bare(fusion, texts.vectors)
    similarities = queries @ passages.T
    own = similarities[np.arange(len(queries)), texts.owners]
    return Bench(material, texts, fusion, own, (similarities >= own[:, None]).sum(axis=1))


def bare(fusion: Fusion, vectors: npt.NDArray[np.float32]) -> Doubles:
    """The vectors without their language, at length 1."""
    if fusion.space is None:
        raise ValueError("too few generated queries to calibrate on")
    return unit_rows(remove(vectors.astype(np.float64), fusion.space.basis, 1.0))


def variants(bench: Bench) -> Iterator[tuple[str, Callable[[], tuple[float, Doubles]]]]:
    """A name for each variant, and what makes it: the share of queries it keeps, and stored vectors."""
    everything, calibrated = np.ones(len(bench.texts.owners), dtype=bool), bench.fusion.prior
    for prior in (calibrated, 0.0, 3.0, 10.0):
        name = NO_FILTER if prior == calibrated else f"no filter, prior {prior:g}"
        yield name, lambda p=prior: keep(bench, everything, p)
    for depth in (10, 1):
        for prior in (calibrated, 0.0):
            name = f"round trip, top {depth}" + ("" if prior else ", prior 0")
            yield name, lambda d=depth, p=prior: keep(bench, bench.rank <= d, p)
    for share in (0.1, 0.3, 0.5):
        for prior in (calibrated, 0.0):
            threshold = np.quantile(bench.similarity, share)
            name = f"similarity, lowest {100 * share:.0f} % dropped" + ("" if prior else ", prior 0")
            yield name, lambda t=threshold, p=prior: keep(bench, bench.similarity >= t, p)
    for temperature in (0.2, 0.1, 0.05, 0.02):
        yield f"softmax weights, temperature {temperature}", lambda t=temperature: weigh(bench, t)
    yield "medoid of each language", lambda: keep(bench, medoids(bench, by_language=True), calibrated)
    yield "medoid of all", lambda: keep(bench, medoids(bench, by_language=False), 0.0)
    yield "passage mean subtracted", lambda: (1.0, centre(keep(bench, everything, calibrated)[1]))
    for ridge in (1.0, 0.3, 0.1):
        yield f"whitened by passages, ridge {ridge}", lambda r=ridge: (1.0, whiten(bench, everything, r, within=False))
        yield (
            f"whitened within passages, ridge {ridge}",
            lambda r=ridge: (1.0, whiten(bench, everything, r, within=True)),
        )


def keep(bench: Bench, chosen: npt.NDArray[np.bool_], prior: float) -> tuple[float, Doubles]:
    texts = bench.texts.select(chosen)
    fusion = replace(bench.fusion, prior=prior)
    fused = fuse(bench.material.vectors, texts.vectors, texts.owners, list(texts.languages), fusion)
    return float(chosen.mean()), fused.astype(np.float64)


def weigh(bench: Bench, temperature: float) -> tuple[float, Doubles]:
    """Queries weighted by exp(similarity / temperature); those of a passage weigh their number together."""
    texts = bench.texts
    groups = group_of(bench, by_language=False)
    raw = np.exp((bench.similarity - bench.similarity.max()) / temperature)
    weights = raw * np.bincount(groups)[groups] / np.bincount(groups, raw)[groups]
    scaled = (texts.vectors * weights[:, None]).astype(np.float32)
    fused = fuse(bench.material.vectors, scaled, texts.owners, list(texts.languages), bench.fusion)
    return 1.0, fused.astype(np.float64)


def medoids(bench: Bench, by_language: bool) -> npt.NDArray[np.bool_]:
    """Of each passage (and language) the query nearest to the mean of its queries: of unit vectors the medoid."""
    groups, queries = group_of(bench, by_language), bare(bench.fusion, bench.texts.vectors)
    sums = np.zeros((groups.max() + 1, queries.shape[1]))
    np.add.at(sums, groups, queries)
    nearness = (queries * sums[groups]).sum(axis=1)
    order = np.lexsort((-nearness, groups))
    first = order[np.unique(groups[order], return_index=True)[1]]
    chosen = np.zeros(len(groups), dtype=bool)
    chosen[first] = True
    return chosen


def group_of(bench: Bench, by_language: bool) -> npt.NDArray[np.int64]:
    codes = np.unique(bench.texts.languages.astype(str), return_inverse=True)[1] if by_language else 0
    found: npt.NDArray[np.int64] = np.unique(bench.texts.owners * 1000 + codes, return_inverse=True)[1]
    return found


def centre(vectors: Doubles) -> Doubles:
    return unit_rows(vectors - vectors.mean(axis=0))


def whiten(bench: Bench, everything: npt.NDArray[np.bool_], ridge: float, within: bool) -> Doubles:
    """Stored vectors M·v / √(vᵀMv), M the inverse covariance with a ridge; the query side stays as it is.

    :param within: covariance of queries about the mean of their passage's, else that of the fused vectors.
    """
    fused = keep(bench, everything, bench.fusion.prior)[1]
    spread = fused - fused.mean(axis=0)
    if within:
        queries, owners = bare(bench.fusion, bench.texts.vectors), bench.texts.owners
        sums = np.zeros_like(fused)
        np.add.at(sums, owners, queries)
        spread = queries - (sums / np.maximum(np.bincount(owners, minlength=len(fused)), 1)[:, None])[owners]
    covariance = spread.T @ spread / len(spread)
    size = len(covariance)
    inverse = np.linalg.inv(covariance + ridge * np.trace(covariance) / size * np.eye(size))
    turned = fused @ inverse
    return turned / np.sqrt((turned * fused).sum(axis=1, keepdims=True))


def measure(bench: Bench, tuning: set[str]) -> list[list[str]]:
    outcomes = {}
    own = bench.material.own_language
    asked = dict.fromkeys(query.language for query in bench.material.queries)
    foreign = [code for code in asked if code != own]
    for name, make in variants(bench):
        kept, vectors = make()
        stored = Stored(vectors.astype(np.float32), {}, bench.fusion)
        outcomes[name] = Outcome(kept, only_languages(evaluate_stored(bench.material, stored), foreign))
    base = part(outcomes[NO_FILTER].evaluation, tuning, inside=False)
    others = {name: part(outcome.evaluation, tuning, inside=False) for name, outcome in outcomes.items()}
    names = [name for name in others if name != NO_FILTER]
    corrected = dict(zip(names, holm([clustered_p(others[name], base, MRR) for name in names]), strict=True))
    rows = []
    for name, outcome in outcomes.items():
        tuned = part(outcome.evaluation, tuning, inside=True).means(MRR)[MACRO]
        found, p = others[name].means(MRR)[MACRO], corrected.get(name)
        change = found - base.means(MRR)[MACRO]
        told = "–" if p is None else f"{p:.3f}"
        rows.append([name, f"{outcome.kept:.2f}", f"{tuned:.4f}", f"{found:.4f}", f"{change:+.4f}", told])
    return rows


def part(evaluation: Evaluation, passages: set[str], inside: bool) -> Evaluation:
    """The queries that ask for one of the passages, or the others."""
    return Evaluation(
        tuple(result for result in evaluation.results if bool(passages & set(result.query.relevant)) == inside)
    )


if __name__ == "__main__":
    main()
