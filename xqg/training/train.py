"""Trains a query generator: the one function behind ``xqg train generator``."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import TYPE_CHECKING

from xqg.encoders.bundled import BundledEncoder
from xqg.errors import MissingDependencyError, SettingsError
from xqg.protocols import Encoder
from xqg.training.pairs import GroupSplit, require_enough, split_groups
from xqg.training.sources import read_pairs
from xqg.training.training_report import TrainingReport, last_checkpoint
from xqg.training.training_settings import TrainingSettings

if TYPE_CHECKING:
    from xqg.training.trainer import TrainingProgress


def train_generator(
    settings: TrainingSettings,
    progress: Callable[[TrainingProgress], None] | None = None,
    encoder: Encoder | None = None,
) -> TrainingReport:
    """Train a generator and leave it in ``settings.out``, with its model card.

    The same settings, data, machine and threads give the same weights, also when a run was interrupted and resumed;
    not where ``max_minutes`` makes the schedule follow the clock.

    :param progress: is told where the run stands.
    :param encoder: for sources with ``keep_rank``; None: the bundled one.
    :raises SettingsError: if options do not go with the base model, or the output folder is taken.
    :raises InputError: if the data cannot be read or is too little.
    :raises MissingDependencyError: if the extra ``train`` is not installed.
    :raises ModelError: if the base model cannot be loaded.
    """
    require_training_packages()
    check_folder(settings)
    split = prepare_groups(settings, encoder)
    from xqg.training.base_model import load_base
    from xqg.training.run import run_training

    base = load_base(settings)
    return run_training(settings.completed(base.is_seq2seq), split, base, progress)


def prepare_groups(settings: TrainingSettings, encoder: Encoder | None = None) -> GroupSplit:
    """Read the data and tell apart what to train on and what to take the dev loss on.

    :param encoder: for sources with ``keep_rank``; None: the bundled one.
    :raises InputError: if a file cannot be read or there is too little.
    """
    data = read_pairs(settings.data)
    require_enough(data)
    dev = read_pairs(settings.dev) if settings.dev else None
    needs_encoder = any(source.keep_rank is not None for source in settings.data)
    if needs_encoder and encoder is None:
        encoder = BundledEncoder()
    return split_groups(data, dev, settings, encoder)


def require_training_packages() -> None:
    """:raises MissingDependencyError: if peft is not installed."""
    if importlib.util.find_spec("peft") is None:
        raise MissingDependencyError(
            "Training needs peft", "not installed here", 'Install it: pip install "xqg[train]"'
        )


def check_folder(settings: TrainingSettings) -> None:
    """See that the output folder is new, or holds a run to resume. :raises SettingsError: if not."""
    if settings.resume and last_checkpoint(settings.out) is None:
        raise SettingsError(
            f"{settings.out} holds no checkpoint", "asked to resume a run from it", "Drop --resume, or check the folder"
        )
    if not settings.resume and settings.out.exists() and (not settings.out.is_dir() or any(settings.out.iterdir())):
        raise SettingsError(
            f"{settings.out} is not empty", "asked to train into a new folder", "Name another, or add --resume"
        )
