"""Trains a query generator: reads the data, runs the Trainer, and leaves a folder that can be used and shared."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from xqg.encoders.bundled import BundledEncoder
from xqg.errors import MissingDependencyError, ModelError, SettingsError
from xqg.ingest.generators.loading import choose_device, choose_dtype
from xqg.protocols import Encoder
from xqg.records import Reject
from xqg.training.pairs import PairData, PassageGroup, clear_groups, require_enough
from xqg.training.sampling import PackPlan, fixed_plans
from xqg.training.settings import METHOD_DEFAULTS, TrainingSettings
from xqg.training.sources import read_pairs

CHECKPOINTS = "checkpoints"


@dataclass(frozen=True)
class TrainingReport:
    """What a run did. ``out`` holds a usable generator unless it was ``interrupted``."""

    out: Path
    pairs: int
    dev_pairs: int
    languages: Mapping[str, int]
    rejects: tuple[Reject, ...]
    unclear: int
    steps: int
    queries_seen: int
    minutes: float
    dev_losses: tuple[tuple[int, float], ...]
    interrupted: bool
    remedy: str = ""


def prepare_groups(
    settings: TrainingSettings, encoder: Encoder | None = None
) -> tuple[PairData, tuple[PassageGroup, ...], tuple[PassageGroup, ...]]:
    """Everything read, the groups to train on, and the groups to take the dev loss on.

    :param encoder: for sources with ``keep_rank``; None: the bundled one.
    :raises InputError: if a file cannot be read or there is too little.
    """
    data = read_pairs(settings.data)
    require_enough(data)
    groups: list[PassageGroup] = []
    for number, source in enumerate(settings.data):
        own = [group for group in data.groups if group.source == number]
        if source.keep_rank is not None and own:
            own = list(clear_groups(own, encoder or BundledEncoder(), source.keep_rank))
        groups += own
    if settings.dev:
        return data, tuple(groups), read_pairs(settings.dev).groups
    order = np.random.default_rng([settings.seed, 2]).permutation(len(groups))
    count = min(max(1, round(settings.dev_share * len(groups))), len(groups) - 1)
    chosen = {int(place) for place in order[:count]}
    train = tuple(group for place, group in enumerate(groups) if place not in chosen)
    return data, train, tuple(group for place, group in enumerate(groups) if place in chosen)
