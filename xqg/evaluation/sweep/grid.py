"""The grid of a sweep: which cells there are, and what each of them measures."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from xqg.errors import SettingsError
from xqg.evaluation.comparison import clustered_p
from xqg.evaluation.evaluate import MACRO, Evaluation
from xqg.evaluation.measures import MRR
from xqg.evaluation.statistics import holm
from xqg.evaluation.sweep.cells import MEASURES, PLAIN, Augmentation, Cell, build, evaluate_stored
from xqg.evaluation.sweep.material import Material
from xqg.evaluation.sweep.vectors import Progress
from xqg.records import FusionRule


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
