"""One training run: from loaded parts to a folder with weights and card."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback

from xqg.errors import READING_ERRORS, ModelError
from xqg.models import quiet
from xqg.training.base_model import BaseModel
from xqg.training.card import write_card
from xqg.training.pairs import GroupSplit, PairData, PassageGroup
from xqg.training.sampling import PackPlan, fixed_plans
from xqg.training.tasks import CausalTask, Seq2SeqTask, Task
from xqg.training.trainer import (
    CLOCK_FILE,
    GeneratorTrainer,
    PlannedBatches,
    ProgressListener,
    RunCallback,
    Schedule,
    TrainerParts,
    training_arguments,
)
from xqg.training.training_report import CHECKPOINTS, TrainingReport, checkpoint_step, last_checkpoint
from xqg.training.training_settings import TrainingSettings, filled

MAX_DEV_QUERIES = 48
"""Queries of one dev passage that the dev loss is taken on."""


def run_training(
    settings: TrainingSettings, split: GroupSplit, base: BaseModel, listener: ProgressListener | None
) -> TrainingReport:
    """Train ``base`` and write the result to ``settings.out``.

    :param settings: with the defaults of the method filled in.
    """
    task, dev_task = _task(settings, base, split.train), _task(settings, base, split.dev)
    batches = PlannedBatches(split.train, task, settings)
    schedule = Schedule(_steps(settings, split.train, batches), settings.max_minutes, settings.warmup)
    batches.size = schedule.steps * filled(settings.accumulation)
    callback = RunCallback(schedule, settings.evaluations, listener)
    plans = fixed_plans(split.dev, MAX_DEV_QUERIES, settings.seed)
    trainer = GeneratorTrainer(
        TrainerParts(task, dev_task, schedule, [[plan] for plan in plans]),
        model=base.model,
        args=training_arguments(settings, settings.out / CHECKPOINTS, schedule.steps, base.device, base.bf16),
        train_dataset=batches,
        eval_dataset=batches,  # the Trainer asks for one; `evaluate` has its own
        data_collator=_one_batch,
        callbacks=[callback, _early_stop(settings)],
    )
    trainer.pop_callback(PrinterCallback)
    callback.trainer = trainer
    checkpoint = last_checkpoint(settings.out) if settings.resume else None
    schedule.restart(_restore_clock(trainer, checkpoint))
    with quiet(), _plain_adapter_inputs(base.model):
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    interrupted = callback.interrupted and schedule.share(trainer.state.global_step) < 1
    report = _report(settings, split, trainer, schedule, interrupted)
    if not report.interrupted:
        save_generator(settings, base, report)
    return report


def _task(settings: TrainingSettings, base: BaseModel, groups: Sequence[PassageGroup]) -> Task:
    kind = Seq2SeqTask if base.is_seq2seq else CausalTask
    return kind(base.tokenizer, groups, settings)


def _early_stop(settings: TrainingSettings) -> Any:
    from transformers import EarlyStoppingCallback

    return EarlyStoppingCallback(settings.patience)


def _report(
    settings: TrainingSettings, split: GroupSplit, trainer: GeneratorTrainer, schedule: Schedule, interrupted: bool
) -> TrainingReport:
    history, best = trainer.state.log_history, trainer.state.best_model_checkpoint
    data = PairData(split.train)
    return TrainingReport(
        out=settings.out,
        pairs=data.pairs,
        dev_pairs=PairData(split.dev).pairs,
        unclear=split.unclear,
        languages=data.languages(),
        rejects=split.rejects,
        steps=trainer.state.global_step,
        queries_seen=trainer.seen,
        minutes=schedule.seconds() / 60,
        dev_losses=tuple((int(entry["step"]), float(entry["eval_loss"])) for entry in history if "eval_loss" in entry),
        kept_step=trainer.state.global_step if best is None else checkpoint_step(Path(best)),
        interrupted=interrupted,
        remedy="Run the same command with --resume to go on from here" if interrupted else "",
    )


def save_generator(settings: TrainingSettings, base: BaseModel, report: TrainingReport) -> None:
    """Write the weights and the card to the output folder; an adapter in bfloat16, the rest as it was trained."""
    if settings.method == "lora":
        _save_adapter(settings.out, base)
    else:
        base.model.save_pretrained(settings.out)
        base.tokenizer.save_pretrained(settings.out)
    write_card(settings, base, report)


def _save_adapter(out: Path, base: BaseModel) -> None:
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    for config in base.model.peft_config.values():
        # peft would write down where the bundled base lies in this machine's cache.
        config.base_model_name_or_path = base.name if base.spec == "bundled" else base.spec.removeprefix("hf:")
        config.target_modules = sorted(config.target_modules)  # a set, else written in any order
    base.model.save_pretrained(out, save_embedding_layers=False)
    (out / "README.md").unlink(missing_ok=True)  # peft's own card, an empty form
    state = get_peft_model_state_dict(base.model, save_embedding_layers=False)
    halved = {name: value.detach().to("cpu", torch.bfloat16).contiguous() for name, value in state.items()}
    save_file(halved, str(out / "adapter_model.safetensors"), metadata={"format": "pt"})


def _steps(settings: TrainingSettings, groups: Sequence[PassageGroup], batches: PlannedBatches) -> int:
    if settings.max_steps is not None:
        return settings.max_steps
    pairs = sum(len(group.queries) for group in groups)
    each = batches.mean_queries() * filled(settings.accumulation)
    return max(1, round(filled(settings.epochs) * pairs / each))


def _one_batch(items: list[list[PackPlan]]) -> dict[str, Any]:
    return {"plans": [plan for item in items for plan in item]}


def _restore_clock(trainer: GeneratorTrainer, checkpoint: Path | None) -> float:
    if checkpoint is None:
        return 0.0
    try:
        clock = json.loads((checkpoint / CLOCK_FILE).read_text(encoding="utf-8"))
        trainer.seen = int(clock["queries"])
        return float(clock["seconds"])
    except READING_ERRORS as error:
        raise ModelError(f"{checkpoint} is damaged: {error}", "", "Delete this checkpoint and resume again") from error


def _plain_adapter_inputs(model: Any) -> contextlib.AbstractContextManager[Any]:
    """Adapters in float32 would else lift their inputs to float32, at twice the time; autocast knows better."""
    if not hasattr(model, "peft_config"):
        return contextlib.nullcontext()
    from peft.helpers import disable_input_dtype_casting

    manager: contextlib.AbstractContextManager[Any] = disable_input_dtype_casting(model)
    return manager
