"""Trains a query generator: the one function behind ``xqg train generator``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from xqg.errors import SettingsError
from xqg.extras import require
from xqg.folder_lock import LOCK, locked_folder
from xqg.training.pairs import read_pairs, require_enough, split_groups
from xqg.training.training_report import CHECKPOINTS, TrainingProgress, TrainingReport, checkpoint_step
from xqg.training.training_settings import TrainingSettings


def train_generator(
    settings: TrainingSettings,
    progress: Callable[[TrainingProgress], None] = lambda progress: None,
    stopped: Callable[[], bool] = lambda: False,
) -> TrainingReport:
    """Train a generator and leave it in ``settings.out``, with its model card.

    The same settings, data, machine and threads give the same weights, also when a run was interrupted and resumed;
    not where ``max_minutes`` makes the schedule follow the clock.

    :param progress: is told where the run stands. :param stopped: whether to end after this step, with a checkpoint.
    :raises SettingsError: if options do not go with the base model, or the output folder is not empty or in use.
    :raises InputError: if the data cannot be read or is too little.
    :raises MissingDependencyError: if the extra ``train`` is not installed.
    :raises ModelError: if the base model cannot be loaded, or the loss is not finite.
    """
    require("train", "Training", "peft")
    with locked_folder(settings.out):
        checkpoint = _find_checkpoint(settings)
        data = read_pairs(settings.data)
        require_enough(data)
        split = split_groups(data, read_pairs(settings.dev) if settings.dev else None, settings)
        from xqg.training.base_model import load_base
        from xqg.training.run import run_training

        base = load_base(settings)
        return run_training(settings.completed(base.is_seq2seq), split, base, checkpoint, progress, stopped)


def _find_checkpoint(settings: TrainingSettings) -> Path | None:
    """The newest complete checkpoint to resume from; None in a new folder, where there must be nothing."""
    out = settings.out
    if settings.resume:
        found = [path.parent for path in (out / CHECKPOINTS).glob("checkpoint-*/trainer_state.json")]
        if not found:
            raise SettingsError(f"{out} holds no checkpoint", "", "Drop --resume, or check the folder")
        return max(found, key=checkpoint_step)
    if any(item.name != LOCK for item in out.iterdir()):
        raise SettingsError(f"{out} is not empty", "a new folder", "Name another, or add --resume")
    return None
