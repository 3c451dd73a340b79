"""Measures of one ranked list against its relevant ids: pure, one query at a time, no hits count 0."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def recall(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Share of ``relevant`` among the first ``k`` of ``ranked``, 0 to 1.

    :raises ValueError: if nothing is relevant, where recall has no value.
    """
    if not relevant:
        raise ValueError("recall needs at least one relevant id")
    return len(set(ranked[:k]) & set(relevant)) / len(set(relevant))


def reciprocal_rank(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """1 / rank of the first relevant id among the first ``k`` of ``ranked``; 0 if there is none (MRR@k is its mean)."""
    for rank, identifier in enumerate(ranked[:k], start=1):
        if identifier in relevant:
            return 1.0 / rank
    return 0.0
