"""One cell of a sweep: which texts are fused and how, and what the queries then find."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from xqg.evaluation.evaluate import Evaluation, QueryResult
from xqg.evaluation.measures import CUT, MRR, NDCG, rank_measures
from xqg.evaluation.sweep.material import Kind, Material, Texts
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
