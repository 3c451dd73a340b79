"""One training run with the Hugging Face Trainer: from loaded parts to a folder with weights and card."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import EarlyStoppingCallback, PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from xqg.errors import READING_ERRORS, ModelError
from xqg.generators.adapters import ADAPTER_WEIGHTS
from xqg.models import quiet
from xqg.training.base_model import BaseModel
from xqg.training.examples import CausalCollator, Seq2SeqCollator, dev_examples, draw_examples
from xqg.training.pairs import PairData
from xqg.training.training_report import CHECKPOINTS, TrainingProgress, TrainingReport, checkpoint_step, write_card
from xqg.training.training_settings import TrainingSettings

WARMUP = 0.05
"""Share of the run in which the learning rate rises."""

NEVER = 10**9
"""Steps; evaluations and checkpoints are asked for by `RunCallback`."""


class Schedule:
    """How far a run is, by its steps or by the clock, whichever is further."""

    def __init__(self, steps: int, limit: float | None, earlier: float) -> None:
        """``limit`` and ``earlier``, what was trained before a resume, are in minutes."""
        self.steps, self._limit = steps, limit
        self._start = time.monotonic() - 60 * earlier

    def minutes(self) -> float:
        """Minutes trained so far."""
        return (time.monotonic() - self._start) / 60

    def share(self, step: int) -> float:
        """Share of the run that is done, from 0 to 1."""
        return min(1.0, max(step / self.steps, 0.0 if self._limit is None else self.minutes() / self._limit))

    def factor(self, step: int) -> float:
        """Learning rate relative to its peak: a linear rise, then a linear fall to zero."""
        # The first step already learns: with a rise from zero it would be lost.
        done = max(self.share(step), 1 / (self.steps + 1))
        return done / WARMUP if done < WARMUP else (1 - done) / (1 - WARMUP)


class ScheduledTrainer(Trainer):  # type: ignore[misc]
    """A Trainer whose learning rate follows a `Schedule`, and whose log tells the minutes, for a resume."""

    lr_scheduler: Any

    def __init__(self, schedule: Schedule, **options: Any) -> None:
        super().__init__(**options)
        self._schedule = schedule

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """The learning rate by the schedule, which may follow the clock."""
        if self.lr_scheduler is None:
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer or self.optimizer, self._schedule.factor)
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def log(self, logs: dict[str, float], *rest: Any) -> None:
        """Log the minutes too."""
        super().log({**logs, "minutes": self._schedule.minutes()}, *rest)


class RunCallback(TrainerCallback):  # type: ignore[misc]
    """Takes the dev loss at even shares of the run, ends it in time, reports, and saves when it is stopped."""

    def __init__(
        self,
        schedule: Schedule,
        evaluations: int,
        progress: Callable[[TrainingProgress], None],
        stopped: Callable[[], bool],
    ) -> None:
        self._schedule, self._evaluations, self._progress, self._stopped = schedule, evaluations, progress, stopped
        self._done = 0
        self._loss: float | None = None
        self._dev_loss: float | None = None
        self.interrupted = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **unused: Any) -> None:
        """Begin with the evaluations that a resumed run has still to make."""
        self._done = int(self._schedule.share(state.global_step) * self._evaluations)

    def on_step_end(self, args: Any, state: Any, control: Any, **unused: Any) -> None:
        """Evaluate, save or stop where it is time to."""
        share = self._schedule.share(state.global_step)
        due = int(share * self._evaluations)
        if due > self._done or share >= 1:
            self._done = due
            control.should_evaluate = control.should_save = True
        if share >= 1:
            control.should_training_stop = True
        elif self._stopped():
            self.interrupted = control.should_save = control.should_training_stop = True

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **unused: Any) -> None:
        """Tell where the run stands. :raises ModelError: if the loss is not finite."""
        self._loss = logs.get("loss", self._loss)
        self._dev_loss = logs.get("eval_loss", self._dev_loss)
        if self._loss is not None and not math.isfinite(self._loss):
            raise ModelError(
                f"The loss is {self._loss} after {state.global_step} steps",
                "",
                "Lower --learning-rate, or use --bf16 off",
            )
        share = self._schedule.share(state.global_step)
        self._progress(TrainingProgress(state.global_step, share, logs["minutes"], self._loss, self._dev_loss))


def run_training(
    settings: TrainingSettings,
    split: tuple[PairData, PairData],
    base: BaseModel,
    checkpoint: Path | None,
    progress: Callable[[TrainingProgress], None],
    stopped: Callable[[], bool],
) -> TrainingReport:
    """Train ``base`` and write the result to ``settings.out``.

    :param settings: with the defaults of the kind of model filled in. :param checkpoint: to go on from.
    :param split: the pairs to train on, and those for the dev loss.
    """
    train, dev = split
    at_once = settings.batch_size * settings.accumulation
    steps = settings.max_steps or max(1, round(settings.epochs * train.pairs / at_once))
    schedule = Schedule(steps, settings.max_minutes, _minutes_before(checkpoint))
    callback = RunCallback(schedule, settings.evaluations, progress, stopped)
    trainer = ScheduledTrainer(
        schedule,
        model=base.model,
        args=_arguments(settings, steps, base),
        train_dataset=draw_examples(train.groups, steps * at_once, settings.language_balance, settings.seed),
        eval_dataset=dev_examples(dev.groups, settings.seed),
        data_collator=(Seq2SeqCollator if base.is_seq2seq else CausalCollator)(base.tokenizer, settings),
        callbacks=[callback, EarlyStoppingCallback(settings.patience)],
    )
    trainer.pop_callback(PrinterCallback)
    with quiet(), _plain_adapter_inputs(base.model):
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    report = _report(settings, split, trainer.state, schedule, callback.interrupted)
    if not report.interrupted:
        _save(settings, base)
        write_card(settings, base, report)
    return report


def _arguments(settings: TrainingSettings, steps: int, base: BaseModel) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(settings.out / CHECKPOINTS),
        max_steps=steps,
        learning_rate=settings.learning_rate,
        per_device_train_batch_size=settings.batch_size,
        per_device_eval_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.accumulation,
        logging_first_step=True,
        logging_steps=1 if steps < 100 else 5,
        eval_strategy="steps",
        eval_steps=NEVER,
        save_strategy="steps",
        save_steps=NEVER,
        save_total_limit=3,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        prediction_loss_only=True,
        remove_unused_columns=False,
        seed=settings.seed,
        use_cpu=base.device == "cpu",
        bf16=base.bf16,
        disable_tqdm=True,
        report_to=[],
        dataloader_pin_memory=False,
        logging_nan_inf_filter=False,
    )


def _minutes_before(checkpoint: Path | None) -> float:
    if checkpoint is None:
        return 0.0
    try:
        state = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
        return float(state["log_history"][-1]["minutes"])
    except READING_ERRORS as error:
        raise ModelError(f"{checkpoint} is damaged: {error}", "", "Delete this checkpoint and resume again") from error


def _report(
    settings: TrainingSettings, split: tuple[PairData, PairData], state: Any, schedule: Schedule, interrupted: bool
) -> TrainingReport:
    (train, dev), best = split, state.best_model_checkpoint
    return TrainingReport(
        out=settings.out,
        pairs=train.pairs,
        dev_pairs=dev.pairs,
        languages=train.languages(),
        rejects=(*train.rejects, *dev.rejects),
        steps=state.global_step,
        minutes=schedule.minutes(),
        dev_losses=tuple((entry["step"], entry["eval_loss"]) for entry in state.log_history if "eval_loss" in entry),
        kept_step=state.global_step if best is None else checkpoint_step(Path(best)),
        interrupted=interrupted,
        remedy="Run the same command with --resume to go on from here" if interrupted else "",
    )


def _save(settings: TrainingSettings, base: BaseModel) -> None:
    """Write the weights to the output folder; an adapter in bfloat16, the rest as it was trained."""
    if settings.method == "full":
        base.model.save_pretrained(settings.out)
        base.tokenizer.save_pretrained(settings.out)
        return
    from safetensors.torch import load_file, save_file

    for config in base.model.peft_config.values():
        # peft would write down where the bundled base lies in this machine's cache.
        config.base_model_name_or_path = base.name if base.spec == "bundled" else base.spec.removeprefix("hf:")
        config.target_modules = sorted(config.target_modules)  # a set, else written in any order
    base.model.save_pretrained(settings.out, save_embedding_layers=False)
    weights = settings.out / ADAPTER_WEIGHTS
    halved = {name: value.to(torch.bfloat16) for name, value in load_file(weights).items()}
    save_file(halved, weights, metadata={"format": "pt"})


def _plain_adapter_inputs(model: Any) -> contextlib.AbstractContextManager[Any]:
    """Adapters in float32 would else convert their inputs to float32, at twice the time, before autocast does."""
    if not hasattr(model, "peft_config"):
        return contextlib.nullcontext()
    from peft.helpers import disable_input_dtype_casting

    manager: contextlib.AbstractContextManager[Any] = disable_input_dtype_casting(model)
    return manager
