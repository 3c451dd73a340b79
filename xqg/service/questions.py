"""Questions to a collection: its hits, and those of plain vectors beside them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from xqg.console import hit_to_json
from xqg.evaluation.measures import reciprocal_rank
from xqg.protocols import VectorStore
from xqg.records import FieldMatch, Hit
from xqg.search.searcher import Explanation
from xqg.search.show import passage_to_json
from xqg.service.context import Context
from xqg.service.plain import IN_PASSING

DEPTH = 10
"""How far down the measures of `measure` look."""


def search(
    here: Context, name: str, query: str, limit: int, filters: Sequence[FieldMatch], explain: bool
) -> list[dict[str, Any]]:
    """The hits of a question, best first; [] in a collection that holds nothing yet."""
    found = here.parts.searcher(name)
    if found is None:
        return []
    searcher, _ = found
    hits = searcher.search(query, limit, filters)
    explanations: Sequence[Explanation | None] = searcher.explain(query, hits) if explain else [None] * len(hits)
    return [hit_to_json(hit, explanation) for hit, explanation in zip(hits, explanations, strict=True)]


def plain_search(here: Context, name: str, store: VectorStore, queries: Sequence[str], limit: int) -> list[list[Any]]:
    """Ids and scores of the hits that plain vectors give to each question.

    :raises NotComparableError: if there are none.
    """
    found = here.parts.searcher(name)
    if found is None:
        return [[] for _ in queries]
    encoder, vectors = found[1], here.runner.plain_vectors(name)
    vectors.update(store, encoder, IN_PASSING)
    return list(vectors.search(encoder.encode_queries(queries), limit))


def compare(here: Context, name: str, store: VectorStore, query: str, limit: int) -> dict[str, Any]:
    """Both rankings of one question."""
    ranked = plain_search(here, name, store, [query], limit)[0]
    points = {point.passage.id: point for point in store.points([key for key, _ in ranked])}
    plain = [
        {"rank": rank, "score": score, **passage_to_json(points[key].passage)}
        for rank, (key, score) in enumerate(ranked, start=1)
        if key in points
    ]
    return {"plain": {"hits": plain}, "xqg": {"hits": search(here, name, query, limit, (), explain=True)}}


def measure(
    here: Context, name: str, store: VectorStore, questions: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """R@1 and MRR@10 by language, plain and xqg, of questions with the ids of the documents that answer them.

    Chunks of a document count as the document.
    """
    found = here.parts.searcher(name)
    if found is None:
        return {}
    texts = [question["query"] for question in questions]
    plain = plain_search(here, name, store, texts, DEPTH)
    ours = found[0].search_many(texts, DEPTH)
    ranks: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for question, before, after in zip(questions, plain, ours, strict=True):
        wanted = set(question["passage_ids"])
        pair = _reciprocal_rank([key for key, _ in before], wanted), _reciprocal_rank(_ids(after), wanted)
        ranks[question["language"]].append(pair)
    return {
        language: {
            "questions": len(pairs),
            "plain": _measures([before for before, _ in pairs]),
            "xqg": _measures([after for _, after in pairs]),
        }
        for language, pairs in sorted(ranks.items())
    }


def _ids(hits: Sequence[Hit]) -> list[str]:
    return [hit.passage.id for hit in hits]


def _reciprocal_rank(found: Sequence[str], wanted: set[str]) -> float:
    documents = list(dict.fromkeys(key if key in wanted else key.rpartition("#")[0] or key for key in found))
    return reciprocal_rank(documents, wanted, DEPTH)


def _measures(ranks: Sequence[float]) -> dict[str, float]:
    """Of reciprocal ranks, 1 for a first hit and 0 for none."""
    return {
        "recall@1": round(sum(rank == 1 for rank in ranks) / len(ranks), 4),
        "mrr@10": round(sum(ranks) / len(ranks), 4),
    }
