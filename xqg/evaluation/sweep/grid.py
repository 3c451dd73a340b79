"""The grid of a sweep: which cells there are, which texts each fuses and how, and what the queries then find."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from xqg.errors import SettingsError
from xqg.evaluation.evaluate import MACRO, Evaluation, QueryResult
from xqg.evaluation.measures import CUT, MRR, NDCG, rank_measures
from xqg.evaluation.statistics import clustered_p, holm
from xqg.evaluation.sweep.material import Kind, Material, Progress, Texts
from xqg.fusion.arrays import unit_rows
from xqg.fusion.rules import Flags, Fusion, Rows, StoredRows, fuse, limit_views, select_pieces
from xqg.records import FusionRule, Vectors
from xqg.settings import MOST_VIEWS, RULE_ALPHAS, VIEW_WEIGHT

Augmentation = Literal["queries", "passages", "both"]
HIT = "recall@1"
MEASURES = (HIT, MRR, NDCG)

_KINDS: Mapping[Augmentation, list[Kind]] = {
    "queries": ["queries"],
    "passages": ["passages"],
    "both": ["queries", "passages"],
}
_BATCH = 256
"""Queries compared with every row at once."""


@dataclass(frozen=True)
class Cell:
    """What is varied. ``languages``: the target languages; () for nothing generated.

    ``alpha``: None is the rule's own. ``texts_per_language``: None takes all.
    """

    rule: FusionRule
    languages: tuple[str, ...]
    alpha: float | None = None
    texts_per_language: int | None = None
    augment_with: Augmentation = "queries"
    beta: float = VIEW_WEIGHT

    @property
    def weight(self) -> float:
        """α as it is used."""
        return RULE_ALPHAS[self.rule] if self.alpha is None else self.alpha


PLAIN = Cell(FusionRule.PLAIN, ())


def build(material: Material, cell: Cell) -> StoredRows:
    """The rows that a collection would hold; under cosine at length 1, as Qdrant keeps them."""
    pieces = limit_views(select_pieces(material.texts.pieces, _wanted(material.texts, cell)), MOST_VIEWS)
    stored = fuse(material.vectors, pieces, Fusion(cell.rule, cell.weight, cell.beta, material.profile))
    if material.distance != "cosine":
        return stored
    return StoredRows(unit_rows(stored.vectors.astype(np.float64)).astype(np.float32), stored.owners)


def evaluate_stored(material: Material, stored: StoredRows) -> Evaluation:
    """Ask all queries, exactly: every row is looked at, ties go to the earlier passage."""
    ids = np.array([passage.id for passage in material.passages], dtype=object)
    results = []
    for query, places in zip(material.queries, best_passages(material.asked, stored), strict=True):
        values = rank_measures(list(ids[places]), query.relevant)
        results.append(QueryResult(query, (), {name: values[name] for name in MEASURES}))
    return Evaluation(tuple(results))


def best_passages(queries: Vectors, stored: StoredRows) -> Rows:
    """The passages whose best row is nearest to each query (MaxSim), best first, shape (queries, at most 10)."""
    first_rows = np.flatnonzero(np.diff(stored.owners, prepend=-1))
    nearest = []
    for start in range(0, len(queries), _BATCH):
        scores = queries[start : start + _BATCH] @ stored.vectors.T
        order = np.argsort(-np.maximum.reduceat(scores, first_rows, axis=1), axis=1, kind="stable")
        nearest.append(order[:, :CUT])
    best: npt.NDArray[np.int64] = np.concatenate(nearest)
    return best


def _wanted(texts: Texts, cell: Cell) -> Flags:
    generated = np.isin(texts.kinds, _KINDS[cell.augment_with]) & np.isin(texts.languages, list(cell.languages))
    if cell.texts_per_language is not None:
        generated &= texts.places < cell.texts_per_language
    own = (texts.kinds == "own") & cell.rule.is_neutral
    wanted: Flags = generated | own
    return wanted


@dataclass(frozen=True)
class Grid:
    """What is varied; every combination is a cell.

    ``alphas``: None stands for the rule's own. ``texts_per_language``: None for all. ``languages_counts``: numbers of
    target languages, () for all of them. ``draws``: how many choices of so many languages.
    """

    rules: tuple[FusionRule, ...]
    alphas: tuple[float | None, ...]
    texts_per_language: tuple[int | None, ...]
    languages_counts: tuple[int, ...]
    augmentations: tuple[Augmentation, ...]
    draws: int
    seed: int


@dataclass(frozen=True)
class Row:
    """What a cell measured: means by measure and language ("macro": without the passages' own).

    ``p``: of MRR@10's macro average against plain vectors, by passages, corrected for the number of cells (Holm); None
    for plain vectors themselves.
    """

    cell: Cell
    draw: int
    means: dict[str, dict[str, float]]
    p: float | None

    def to_json(self) -> dict[str, Any]:
        """All of it by name."""
        cell = self.cell
        return {
            "rule": cell.rule.value,
            "alpha": cell.weight,
            "augment_with": cell.augment_with,
            "texts_per_language": cell.texts_per_language,
            "languages": list(cell.languages),
            "draw": self.draw,
            "p": self.p,
            **self.means,
        }


def draw_languages(languages: Sequence[str], count: int, draw: int, seed: int) -> tuple[str, ...]:
    """``count`` of the languages: the first ones of a random order, so fewer languages are a subset of more."""
    order = sorted(languages)
    random.Random(f"{seed} {draw}").shuffle(order)  # noqa: S311 - no secret
    return tuple(sorted(order[:count]))


def make_cells(grid: Grid, languages: Sequence[str]) -> Iterator[tuple[int, Cell]]:
    """The cells with the number of their draw; no and all languages are drawn once.

    :raises SettingsError: if more languages are asked for than texts were generated in.
    """
    for count in grid.languages_counts or (len(languages),):
        if count > len(languages):
            raise SettingsError(
                f"{count} target languages",
                f"at most {len(languages)}, since texts were generated in {', '.join(languages) or 'none'}",
                "Change --languages-counts",
            )
        for draw in range(1 if count in (0, len(languages)) else grid.draws):
            chosen = draw_languages(languages, count, draw, grid.seed)
            varied = product(grid.augmentations, grid.texts_per_language, grid.rules, grid.alphas)
            for augmentation, texts, rule, alpha in varied:
                yield draw, Cell(rule, chosen, alpha, texts, augmentation)


def run_sweep(material: Material, grid: Grid, progress: Progress = lambda done, total: None) -> list[Row]:
    """Measure plain vectors (first row) and every cell, with paired significance against plain."""
    cells = list(make_cells(grid, material.target_languages))
    base = evaluate_stored(material, build(material, PLAIN))
    found = []
    for number, (_, cell) in enumerate(cells, start=1):
        found.append(evaluate_stored(material, build(material, cell)))
        progress(number, len(cells))
    foreign = _foreign(material)
    p_values = holm([clustered_p(one.only(foreign), base.only(foreign), MRR) for one in found])
    rows = [Row(PLAIN, 0, _means(material, base), None)]
    for (draw, cell), evaluation, p in zip(cells, found, p_values, strict=True):
        rows.append(Row(cell, draw, _means(material, evaluation), p))
    return rows


def _foreign(material: Material) -> list[str]:
    """The languages asked in but the passages' own; that one where there is no other."""
    asked = dict.fromkeys(query.language for query in material.queries)
    return [code for code in asked if code != material.own_language] or list(asked)


def _means(material: Material, evaluation: Evaluation) -> dict[str, dict[str, float]]:
    foreign = evaluation.only(_foreign(material))
    return {measure: {**evaluation.means(measure), MACRO: foreign.means(measure)[MACRO]} for measure in MEASURES}
