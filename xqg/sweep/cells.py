"""One cell of a sweep: which texts are fused and how, and what the queries then find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from xqg.evaluation.evaluate import Evaluation, QueryResult
from xqg.evaluation.measures import CUT, MRR, NDCG, ndcg, recall, reciprocal_rank
from xqg.ingest.calibration import DEFAULT_ALPHA, Wishes, calibrate
from xqg.ingest.fusion import PLAIN, Fusion, fuse, fuse_by_language
from xqg.ingest.subspace import unit_rows
from xqg.records import FusionRule, Vectors
from xqg.settings import PAPER_ALPHA
from xqg.sweep.material import Material, Texts

Augmentation = Literal["queries", "passages", "both"]
HIT = "recall@1"
MEASURES = (HIT, MRR, NDCG)


@dataclass(frozen=True)
class Cell:
    """What is varied. ``alpha``, ``share``: None is calibrated, and for ``sum`` the paper's.

    ``texts_per_language``: None takes all. ``languages``: the target languages.
    """

    rule: FusionRule
    languages: tuple[str, ...]
    alpha: float | None = None
    texts_per_language: int | None = None
    augment_with: Augmentation = "queries"
    share: float | None = None
    calibrated: bool = True


@dataclass(frozen=True, eq=False)
class Stored:
    """The vectors that a collection would hold, (n, d), and those for questions in one language where there are some.

    ``fusion``: how they were made.
    """

    vectors: Vectors
    by_language: Mapping[str, Vectors]
    fusion: Fusion


def plain(material: Material) -> Stored:
    """Passages as they are."""
    return Stored(_as_stored(material.vectors, material.distance), {}, PLAIN)


def build(material: Material, cell: Cell) -> Stored:
    """Calibrate where the rule asks for it, and fuse.

    Texts in a passage's own language are held out by the calibration but not fused, as `xqg ingest` does.
    """
    texts = material.texts.select(_wanted(material.texts, cell))
    foreign = texts.languages != material.spoken[texts.owners]
    fused = texts.select(foreign & np.isin(texts.languages, list(cell.languages)))
    fusion = choose_fusion(material, texts, cell)
    parts = (material.vectors, fused.vectors, fused.owners, list(fused.languages), fusion)
    by_language = fuse_by_language(*parts) if fusion.rule is FusionRule.PER_LANGUAGE else {}
    return Stored(
        _as_stored(fuse(*parts), material.distance),
        {code: _as_stored(vectors, material.distance) for code, vectors in by_language.items()},
        fusion,
    )


def choose_fusion(material: Material, texts: Texts, cell: Cell) -> Fusion:
    """The fusion of a cell: as it is given, or calibrated on the sample.

    With generated passages alone the weights that are left open are the defaults, with both kinds the calibration looks
    at the queries alone.
    """
    if cell.rule is FusionRule.SUM:
        return Fusion(cell.rule, PAPER_ALPHA if cell.alpha is None else cell.alpha)
    if not cell.calibrated:
        return Fusion(cell.rule, DEFAULT_ALPHA if cell.alpha is None else cell.alpha)
    if cell.augment_with == "both":
        texts = texts.select(~texts.are_passages)
    wishes = Wishes(cell.rule, cell.languages, cell.alpha, cell.share)
    if cell.augment_with == "passages":
        wishes = wishes.for_generated_passages()
    return calibrate(material.calibration_sample(texts), wishes).fusion


def evaluate_stored(material: Material, stored: Stored) -> Evaluation:
    """Ask all queries, exactly: every passage is looked at, ties go to the earlier one."""
    ids = np.array([passage.id for passage in material.passages], dtype=object)
    languages = np.array([query.language for query in material.queries], dtype=object)
    rankings: list[list[str]] = [[] for _ in material.queries]
    for code in dict.fromkeys(languages):
        rows = np.flatnonzero(languages == code)
        found = best_rows(material.asked[rows], stored.by_language.get(code, stored.vectors))
        for row, places in zip(rows.tolist(), found, strict=True):
            rankings[row] = list(ids[places])
    gains = ndcg(rankings, [query.relevant for query in material.queries])
    results = []
    for query, ranking, gain in zip(material.queries, rankings, gains, strict=True):
        values = {
            HIT: recall(ranking, query.relevant, 1),
            MRR: reciprocal_rank(ranking, query.relevant, CUT),
            NDCG: gain,
        }
        results.append(QueryResult(query, (), values))
    return Evaluation(tuple(results))


def best_rows(queries: Vectors, stored: Vectors) -> npt.NDArray[np.int64]:
    """The rows of the nearest vectors of each query, best first, shape (queries, at most 10)."""
    order = np.argsort(-(queries @ stored.T), axis=1, kind="stable")
    nearest: npt.NDArray[np.int64] = order[:, :CUT]
    return nearest


def only_languages(evaluation: Evaluation, languages: Sequence[str]) -> Evaluation:
    """The queries in these languages."""
    return Evaluation(tuple(result for result in evaluation.results if result.query.language in languages))


def _wanted(texts: Texts, cell: Cell) -> npt.NDArray[np.bool_]:
    kinds = {"queries": ~texts.are_passages, "passages": texts.are_passages, "both": np.ones(len(texts.owners), bool)}
    first = True if cell.texts_per_language is None else texts.places < cell.texts_per_language
    wanted: npt.NDArray[np.bool_] = kinds[cell.augment_with] & first
    return wanted


def _as_stored(vectors: Vectors, distance: str) -> Vectors:
    """As Qdrant keeps them: at length 1 under cosine."""
    if distance != "cosine":
        return vectors
    unit: Vectors = unit_rows(vectors.astype(np.float64)).astype(np.float32)
    return unit
