"""Decides which queries of which passage are read when: balanced over languages, and the same for the same seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from xqg.training.pairs import PassageGroup
from xqg.training.training_settings import TrainingSettings, filled

_SORT_WINDOW_BATCHES = 12
"""Packs of so many batches are sorted by length together: enough to save padding, too few to order the run."""


@dataclass(frozen=True)
class PackPlan:
    """One sequence to be: the group, which of its passages, its queries, and whether the title is read."""

    group: int
    passage: int
    queries: tuple[int, ...]
    titled: bool


def language_weights(groups: Sequence[PassageGroup], balance: float) -> dict[str, float]:
    """How often a query of each language is drawn, relative to the rarest (which has 1).

    With ``n`` queries in a language its share of the draws is made proportional to n ** balance.
    """
    counts: dict[str, int] = {}
    for group in groups:
        for query in group.queries:
            counts[query.language] = counts.get(query.language, 0) + 1
    rarest = min(counts.values())
    return {code: (count / rarest) ** (balance - 1) for code, count in sorted(counts.items())}


class PackSampler:
    """An endless, repeatable stream of plans.

    Sources take turns by their share. Within a source, groups are drawn in a fresh order each round,
    those rich in rare languages more often; within a group, queries of common languages are left out more often
    (with the square root of their weight: the choice of groups does the other half, and a passage that is read
    anyway should not be read for one query).
    """

    def __init__(self, groups: Sequence[PassageGroup], settings: TrainingSettings) -> None:
        self._groups = groups
        self._settings = settings
        self._random = np.random.default_rng(settings.seed)
        self._members: dict[int, list[int]] = {}
        for index, group in enumerate(groups):
            self._members.setdefault(group.source, []).append(index)
        self._weights = {
            source: language_weights([groups[index] for index in members], settings.language_balance)
            for source, members in self._members.items()
        }
        self._drawn = {source: 0.0 for source in self._members}
        self._queues: dict[int, list[int]] = {source: [] for source in self._members}

    def draw(self) -> PackPlan:
        """The next plan."""
        source = min(self._drawn, key=lambda number: (self._drawn[number] / self._share(number), number))
        queries: tuple[int, ...] = ()
        while not queries:
            index = self._next_group(source)
            queries = self._choose_queries(index)
        self._drawn[source] += len(queries)
        options = self._settings.data[source]
        variants = len(self._groups[index].passages)
        abroad = variants > 1 and self._random.random() >= options.home_share
        passage = int(self._random.integers(1, variants)) if abroad else 0
        return PackPlan(index, passage, queries, bool(self._random.random() >= self._settings.untitled_share))

    def _share(self, source: int) -> float:
        share = self._settings.data[source].share
        return share if share is not None else sum(len(self._groups[index].queries) for index in self._members[source])

    def _next_group(self, source: int) -> int:
        if not self._queues[source]:
            members = self._members[source]
            weights = np.array([self._group_weight(index) for index in members])
            # Exponential races: an order in which each next one is drawn in proportion to its weight.
            arrival = self._random.exponential(size=len(members)) / weights
            order = np.argsort(arrival, kind="stable")
            keep = max(1, round(len(members) * float(weights.mean() / weights.max())))
            self._queues[source] = [members[place] for place in order[:keep]][::-1]
        return self._queues[source].pop()

    def _group_weight(self, index: int) -> float:
        group = self._groups[index]
        weights = self._weights[group.source]
        return min(sum(weights[query.language] for query in group.queries), float(filled(self._settings.pack_queries)))

    def _choose_queries(self, index: int) -> tuple[int, ...]:
        group = self._groups[index]
        weights = self._weights[group.source]
        chances = np.sqrt([weights[query.language] for query in group.queries])
        kept = np.flatnonzero(self._random.random(len(chances)) < chances)
        chosen = self._random.permutation(kept)[: filled(self._settings.pack_queries)]
        return tuple(int(query) for query in chosen)


def plan_batches(
    draw: Callable[[], PackPlan], length: Callable[[PackPlan], int], tokens: int, random: np.random.Generator
) -> list[list[PackPlan]]:
    """The next few batches: packs of like length together, at most ``tokens`` with padding, in random order."""
    window: list[PackPlan] = []
    total = 0
    while total < tokens * _SORT_WINDOW_BATCHES:
        window.append(draw())
        total += length(window[-1])
    window.sort(key=length)
    batches: list[list[PackPlan]] = [[]]
    for plan in window:
        if batches[-1] and length(plan) * (len(batches[-1]) + 1) > tokens:
            batches.append([])
        batches[-1].append(plan)
    return [batches[place] for place in random.permutation(len(batches))]


def fixed_plans(groups: Sequence[PassageGroup], limit: int, seed: int) -> list[PackPlan]:
    """Plans to measure the loss on: each group's home passage with up to ``limit`` queries, always the same ones."""
    random = np.random.default_rng(seed)
    plans = []
    for index, group in enumerate(groups):
        chosen = random.permutation(len(group.queries))[:limit]
        plans.append(PackPlan(index, 0, tuple(int(query) for query in chosen), True))
    return plans


def count_exposures(plans: Sequence[PackPlan], groups: Sequence[PassageGroup]) -> Mapping[str, int]:
    """Queries in each language in ``plans``."""
    counts: dict[str, int] = {}
    for plan in plans:
        for query in plan.queries:
            code = groups[plan.group].queries[query].language
            counts[code] = counts.get(code, 0) + 1
    return counts
