"""One training run: from loaded parts to a folder with weights and card."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from xqg.errors import ModelError
from xqg.ingest.generators.loading import quiet
from xqg.training.base import BaseModel
from xqg.training.card import write_card
from xqg.training.pairs import PairData, PassageGroup
from xqg.training.sampling import PackPlan, fixed_plans
from xqg.training.settings import TrainingSettings
from xqg.training.tasks import CausalTask, Seq2SeqTask, Task
from xqg.training.train import CHECKPOINTS, TrainingReport, last_checkpoint
from xqg.training.trainer import (
    CLOCK_FILE,
    GeneratorTrainer,
    PlannedBatches,
    ProgressListener,
    RunCallback,
    Schedule,
    training_arguments,
)

MAX_DEV_QUERIES = 12
"""Queries of one dev passage that the dev loss is taken on."""


def run_training(
    settings: TrainingSettings,
    data: PairData,
    groups: Sequence[PassageGroup],
    dev: Sequence[PassageGroup],
    base: BaseModel,
    listener: ProgressListener | None,
) -> TrainingReport:
    """Train ``base`` on ``groups`` and write the result.

    :param settings: with the defaults of the method filled in.
    """
    kind = Seq2SeqTask if base.is_seq2seq else CausalTask
    task: Task = kind(base.tokenizer, groups, settings)
    dev_task: Task = kind(base.tokenizer, dev, settings)
    tokens = int(settings.batch_tokens or 0)
    batches = PlannedBatches(groups, task, settings, tokens)
    schedule = Schedule(_steps(settings, groups, batches), settings.max_minutes, settings.warmup)
    batches.size = schedule.steps * int(settings.accumulation or 1)
    callback = RunCallback(schedule, settings.evaluations, listener)
    trainer = _trainer(settings, base, schedule, callback, batches, (task, dev_task), dev)
    callback.trainer = trainer
    checkpoint = last_checkpoint(settings.out) if settings.resume else None
    schedule.restart(_restore_clock(trainer, checkpoint))
    with quiet(), _plain_adapter_inputs(base.model):
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    losses = tuple(
        (int(entry["step"]), float(entry["eval_loss"])) for entry in trainer.state.log_history if "eval_loss" in entry
    )
    report = TrainingReport(
        out=settings.out,
        pairs=sum(len(group.queries) for group in groups),
        dev_pairs=sum(len(group.queries) for group in dev),
        languages=PairData(tuple(groups)).languages(),
        rejects=data.rejects,
        unclear=data.pairs - sum(len(group.queries) for group in (*groups, *(() if settings.dev else dev))),
        steps=trainer.state.global_step,
        queries_seen=trainer.seen,
        minutes=schedule.seconds() / 60,
        dev_losses=losses,
        interrupted=callback.interrupted,
        remedy="Add --resume to go on from here" if callback.interrupted else "",
    )
    if not callback.interrupted:
        save_generator(settings, base, report)
    return report


def save_generator(settings: TrainingSettings, base: BaseModel, report: TrainingReport) -> None:
    """Write weights in bfloat16 and the card to the output folder."""
    weights = {}
    if settings.method == "lora":
        from peft import get_peft_model_state_dict

        weights = {name: value.to(torch.bfloat16) for name, value in get_peft_model_state_dict(base.model).items()}
        base.model.save_pretrained(settings.out, state_dict=None, safe_serialization=True)
        from safetensors.torch import save_file

        contiguous = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
        save_file(contiguous, str(settings.out / "adapter_model.safetensors"), metadata={"format": "pt"})
    else:
        base.model.save_pretrained(settings.out)
        base.tokenizer.save_pretrained(settings.out)
    write_card(settings, base, report)


def _steps(settings: TrainingSettings, groups: Sequence[PassageGroup], batches: PlannedBatches) -> int:
    if settings.max_steps is not None:
        return settings.max_steps
    pairs = sum(len(group.queries) for group in groups)
    each = batches.mean_queries() * int(settings.accumulation or 1)
    return max(1, round(float(settings.epochs or 1) * pairs / each))


def _trainer(
    settings: TrainingSettings,
    base: BaseModel,
    schedule: Schedule,
    callback: RunCallback,
    batches: PlannedBatches,
    tasks: tuple[Task, Task],
    dev: Sequence[PassageGroup],
) -> GeneratorTrainer:
    from transformers import EarlyStoppingCallback

    arguments = training_arguments(settings, settings.out / CHECKPOINTS, schedule.steps, base.device, base.bf16)
    plans = [[plan] for plan in fixed_plans(dev, MAX_DEV_QUERIES, settings.seed)]
    return GeneratorTrainer(
        tasks[0],
        schedule,
        plans,
        tasks[1],
        model=base.model,
        args=arguments,
        train_dataset=batches,
        eval_dataset=batches,  # the Trainer asks for one; `evaluate` has its own
        data_collator=_one_batch,
        callbacks=[callback, EarlyStoppingCallback(settings.patience)],
    )


def _one_batch(items: list[list[PackPlan]]) -> dict[str, Any]:
    return {"plans": [plan for item in items for plan in item]}


def _restore_clock(trainer: GeneratorTrainer, checkpoint: Path | None) -> float:
    if checkpoint is None:
        return 0.0
    try:
        clock = json.loads((checkpoint / CLOCK_FILE).read_text(encoding="utf-8"))
        trainer.seen = int(clock["queries"])
        return float(clock["seconds"])
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{checkpoint} is damaged: {error}", "", "Delete this checkpoint and resume again") from error


def _plain_adapter_inputs(model: Any) -> contextlib.AbstractContextManager[Any]:
    """Adapters in float32 would else lift their inputs to float32, at twice the time; autocast knows better."""
    if not hasattr(model, "peft_config"):
        return contextlib.nullcontext()
    from peft.helpers import disable_input_dtype_casting

    manager: contextlib.AbstractContextManager[Any] = disable_input_dtype_casting(model)
    return manager
