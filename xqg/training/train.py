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


def train_generator(
    settings: TrainingSettings,
    progress: Callable[[Any], None] | None = None,
    encoder: Encoder | None = None,
) -> TrainingReport:
    """Train a generator and leave it in ``settings.out``, with its model card.

    :param progress: is told where the run stands, as a `xqg.training.trainer.TrainingProgress`.
    :param encoder: for sources with ``keep_rank``; None: the bundled one.
    :raises SettingsError: if options do not go with the base model, or the output folder is taken.
    :raises InputError: if the data cannot be read or is too little.
    :raises MissingDependencyError: if the extra ``train`` is not installed.
    :raises ModelError: if the base model cannot be loaded.
    """
    require_training_packages()
    from xqg.training.base import load_base
    from xqg.training.run import run_training

    _check_folder(settings)
    data, groups, dev = prepare_groups(settings, encoder)
    base = load_base(settings)
    settings = with_method_defaults(settings, "seq2seq" if base.is_seq2seq else "causal")
    return run_training(settings, data, groups, dev, base, progress)


def require_training_packages() -> None:
    """:raises MissingDependencyError: if peft or accelerate is not installed."""
    try:
        import accelerate  # noqa: F401
        import peft  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            f"Training needs a package that is not installed: {error}", "", 'Install it: pip install "xqg[train]"'
        ) from error


def with_method_defaults(settings: TrainingSettings, kind: str) -> TrainingSettings:
    """The settings with the defaults of this kind of model filled in; what was given stays."""
    missing = {name: value for name, value in METHOD_DEFAULTS[kind].items() if getattr(settings, name) is None}
    if settings.max_steps is not None:
        missing.pop("epochs", None)
    return settings.model_copy(update=missing)


def last_checkpoint(out: Path) -> Path | None:
    """The newest whole checkpoint in an output folder."""
    found = [path for path in (out / CHECKPOINTS).glob("checkpoint-*") if (path / "trainer_state.json").exists()]
    return max(found, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def _check_folder(settings: TrainingSettings) -> None:
    if settings.resume and last_checkpoint(settings.out) is None:
        raise SettingsError(
            f"{settings.out} holds no checkpoint", "asked to resume a run from it", "Drop --resume, or check the folder"
        )
    if not settings.resume and settings.out.exists() and any(settings.out.iterdir()):
        raise SettingsError(
            f"{settings.out} is not empty", "asked to train into a new folder", "Name another, or add --resume"
        )
