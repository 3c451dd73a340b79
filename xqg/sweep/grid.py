"""The grid of a sweep: which cells there are, and what each of them measures."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from xqg.errors import SettingsError
from xqg.evaluation.clustered import clustered_p
from xqg.evaluation.evaluate import MACRO, Evaluation
from xqg.evaluation.measures import MRR
from xqg.evaluation.statistics import holm
from xqg.records import FusionRule
from xqg.sweep.cells import MEASURES, Augmentation, Cell, build, evaluate_stored, only_languages, plain
from xqg.sweep.material import Material
from xqg.sweep.vectors import Progress


@dataclass(frozen=True)
class Grid:
    """What is varied; every combination is a cell.

    ``alphas``: None stands for calibrated. ``texts_per_language``: None for all. ``languages_counts``: numbers of
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
    """What a cell measured: means by measure and language ("macro": without the passages' own), alpha as it was used.

    ``p``: of MRR@10's macro average against plain vectors, by passages, corrected for the number of cells (Holm).
    ``cell``: None for plain vectors.
    """

    cell: Cell | None
    draw: int
    alpha: float
    share: float
    means: dict[str, dict[str, float]]
    p: float | None

    def to_json(self) -> dict[str, Any]:
        """All of it by name."""
        cell = self.cell
        varied: dict[str, Any] = {"rule": "plain", "augment_with": None, "texts_per_language": 0, "languages": []}
        if cell is not None:
            varied = {
                "rule": cell.rule.value,
                "augment_with": cell.augment_with,
                "texts_per_language": cell.texts_per_language,
                "languages": list(cell.languages),
            }
        asked = None if cell is None else cell.alpha
        return {**varied, "draw": self.draw, "asked_alpha": asked, "alpha": self.alpha, "share": self.share} | {
            "p": self.p,
            **self.means,
        }


def draw_languages(languages: Sequence[str], count: int, draw: int, seed: int) -> tuple[str, ...]:
    """``count`` of the languages: the first ones of an order by lot, so fewer languages are a part of more."""
    order = sorted(languages)
    random.Random(f"{seed} {draw}").shuffle(order)  # noqa: S311 - no secret
    return tuple(sorted(order[:count]))


def make_cells(grid: Grid, languages: Sequence[str]) -> Iterator[tuple[int, Cell]]:
    """The cells with the number of their draw; all languages are drawn once.

    :raises SettingsError: if more languages are asked for than texts were generated in.
    """
    for count in grid.languages_counts or (len(languages),):
        if not 1 <= count <= len(languages):
            raise SettingsError(
                f"{count} target languages",
                f"asked for 1 to {len(languages)}: texts were generated in {', '.join(languages)}",
                "Change --languages-counts",
            )
        for draw in range(1 if count == len(languages) else grid.draws):
            chosen = draw_languages(languages, count, draw, grid.seed)
            for augmentation in grid.augmentations:
                for texts in grid.texts_per_language:
                    for rule in grid.rules:
                        for alpha in grid.alphas:
                            yield draw, Cell(rule, chosen, alpha, texts, augmentation)


def run_sweep(
    material: Material, grid: Grid, languages: Sequence[str], progress: Progress = lambda done, total: None
) -> list[Row]:
    """Measure plain vectors (first row) and every cell, with paired significance against plain."""
    cells = list(make_cells(grid, languages))
    base = evaluate_stored(material, plain(material))
    found = []
    for number, (_, cell) in enumerate(cells, start=1):
        stored = build(material, cell)
        found.append((stored.fusion, evaluate_stored(material, stored)))
        progress(number, len(cells))
    narrow = _without_own(material)
    p_values = holm([clustered_p(narrow(one), narrow(base), MRR) for _, one in found])
    rows = [Row(None, 0, 0.0, 0.0, _means(material, base), None)]
    for (draw, cell), (fusion, evaluation), p in zip(cells, found, p_values, strict=True):
        rows.append(Row(cell, draw, fusion.alpha, fusion.share, _means(material, evaluation), p))
    return rows


def _without_own(material: Material) -> Callable[[Evaluation], Evaluation]:
    asked = dict.fromkeys(query.language for query in material.queries)
    foreign = [code for code in asked if code != material.own_language] or list(asked)
    return lambda evaluation: only_languages(evaluation, foreign)


def _means(material: Material, evaluation: Evaluation) -> dict[str, dict[str, float]]:
    foreign = _without_own(material)(evaluation)
    return {measure: {**evaluation.means(measure), MACRO: foreign.means(measure)[MACRO]} for measure in MEASURES}
