"""The Hugging Face Trainer, taught planned batches, a schedule that can end by the clock, and interruption."""

from __future__ import annotations

import json
import math
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, SequentialSampler
from transformers import Trainer, TrainerCallback, TrainingArguments

from xqg.errors import ModelError
from xqg.training.pairs import PassageGroup
from xqg.training.sampling import PackPlan, PackSampler, plan_batches
from xqg.training.tasks import Task
from xqg.training.training_settings import TrainingSettings, filled

CLOCK_FILE = "elapsed.json"


@dataclass(frozen=True)
class TrainingProgress:
    """Where a run stands: ``share`` done from 0 to 1, losses (None before the first), queries a second."""

    step: int
    share: float
    minutes: float
    loss: float | None
    dev_loss: float | None
    queries: int
    queries_per_second: float


ProgressListener = Callable[[TrainingProgress], None]


class Schedule:
    """How far a run is, by its steps or by the clock, whichever is further; time before a resume counts."""

    def __init__(self, steps: int, minutes: float | None, warmup: float) -> None:
        self.steps = steps
        self._minutes = minutes
        self._warmup = warmup
        self._earlier = 0.0
        self._start = time.monotonic()

    def restart(self, earlier_seconds: float) -> None:
        """Start the clock after ``earlier_seconds`` of training before."""
        self._earlier, self._start = earlier_seconds, time.monotonic()

    def seconds(self) -> float:
        """Seconds trained so far."""
        return self._earlier + time.monotonic() - self._start

    def share(self, step: int) -> float:
        """Share of the run that is done, from 0 to 1."""
        by_clock = 0.0 if self._minutes is None else self.seconds() / (60 * self._minutes)
        return min(1.0, max(step / self.steps, by_clock))

    def factor(self, step: int) -> float:
        """Learning rate relative to its peak: a linear rise, then a linear fall to zero."""
        # The first step already learns: with a rise from zero it would be lost.
        done = max(self.share(step), 1 / (self.steps + 1))
        return done / self._warmup if done < self._warmup else (1 - done) / (1 - self._warmup)


class PlannedBatches(Dataset[Any]):
    """The batches of a run by number, the same whenever they are asked for."""

    def __init__(self, groups: Sequence[PassageGroup], task: Task, settings: TrainingSettings) -> None:
        self._sampler = PackSampler(groups, settings)
        self._random = np.random.default_rng([settings.seed, 1])
        self._task = task
        self._tokens = filled(settings.batch_tokens)
        self._plans: list[list[PackPlan]] = []
        self.size = 0

    def __len__(self) -> int:
        return self.size

    def plans(self, number: int) -> list[PackPlan]:
        """The plans of batch ``number``."""
        while len(self._plans) <= number:
            self._plans += plan_batches(self._sampler.draw, self._task.length, self._tokens, self._random)
        return self._plans[number]

    def mean_queries(self) -> float:
        """Queries in a batch, on average."""
        self.plans(0)
        return sum(len(plan.queries) for batch in self._plans for plan in batch) / len(self._plans)

    def __getitem__(self, number: int) -> list[PackPlan]:
        return self.plans(number)


@dataclass(frozen=True)
class TrainerParts:
    """What the Trainer is handed: tasks for training and for the dev loss, the schedule, and the dev batches."""

    task: Task
    dev_task: Task
    schedule: Schedule
    dev: Sequence[Sequence[PackPlan]]


class GeneratorTrainer(Trainer):  # type: ignore[misc]
    """Computes the loss of planned batches, and the dev loss over fixed ones."""

    loss_is_scaled_for_ga = False
    control: Any
    lr_scheduler: Any

    def __init__(self, parts: TrainerParts, **options: Any) -> None:
        super().__init__(**options)
        self._parts = parts
        self.seen = 0

    def compute_loss(self, model: Any, inputs: Any, *unused: Any, **options: Any) -> torch.Tensor:
        """Loss of one batch, with the softmax estimated where the settings say so."""
        plans = inputs["plans"]
        self.seen += sum(len(plan.queries) for plan in plans)
        return self._loss(self._parts.task, model, self._parts.task.batch(plans), self.state.global_step)

    def evaluate(self, *unused: Any, **options: Any) -> dict[str, float]:
        """Mean loss of a target token of the dev pairs, over the whole vocabulary."""
        task = self._parts.dev_task
        self.model.eval()
        total, count = 0.0, 0
        with torch.no_grad():
            for plans in self._parts.dev:
                batch = task.batch(plans)
                targets = task.targets(batch)
                total += float(self._loss(task, self.model, batch, None)) * targets
                count += targets
        self.model.train()
        metrics = {"eval_loss": total / count}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _loss(self, task: Task, model: Any, batch: Any, step: int | None) -> torch.Tensor:
        whole = self.accelerator.unwrap_model(model)
        base = whole.get_base_model() if hasattr(whole, "get_base_model") else whole
        with self.accelerator.autocast():
            return task.loss(base, batch, step)

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """The learning rate follows the schedule, which may follow the clock."""
        if self.lr_scheduler is None:
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
                optimizer or self.optimizer, self._parts.schedule.factor
            )
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def _get_train_sampler(self, *unused: Any) -> Any:
        return SequentialSampler(self.train_dataset)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        clock = {"seconds": self._parts.schedule.seconds(), "queries": self.seen}
        (folder / CLOCK_FILE).write_text(json.dumps(clock), encoding="utf-8")


class RunCallback(TrainerCallback):  # type: ignore[misc]
    """Takes the dev loss at even shares of the run, ends it in time, reports, and saves when interrupted.

    The first Ctrl-C ends the run after the step under way, the second one at once.
    """

    def __init__(self, schedule: Schedule, evaluations: int, listener: ProgressListener | None) -> None:
        self._schedule = schedule
        self._evaluations = evaluations
        self._listener = listener
        self._previous: Any = None
        self._dev_loss: float | None = None
        self._loss: float | None = None
        self._last: tuple[float, int] = (0.0, 0)
        self.trainer: GeneratorTrainer | None = None
        self._marks = 0
        self.interrupted = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **unused: Any) -> None:
        """Start the marks where a resumed run stands, and listen to Ctrl-C from here on."""
        self._marks = int(self._schedule.share(state.global_step) * self._evaluations)
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._interrupt)

    def on_train_end(self, args: Any, state: Any, control: Any, **unused: Any) -> None:
        """Give Ctrl-C back."""
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
            self._previous = None

    def on_step_end(self, args: Any, state: Any, control: Any, **unused: Any) -> None:
        """Evaluate, save or stop where it is time to."""
        share = self._schedule.share(state.global_step)
        mark = int(share * self._evaluations)
        if mark > self._marks or share >= 1:
            self._marks = mark
            control.should_evaluate = control.should_save = True
        if share >= 1:
            control.should_training_stop = True
        elif self.interrupted:
            control.should_save = control.should_training_stop = True

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **unused: Any) -> None:
        """Tell the listener where the run stands."""
        logs = logs or {}
        self._loss = logs.get("loss", self._loss)
        self._dev_loss = logs.get("eval_loss", self._dev_loss)
        if self._loss is not None and not math.isfinite(self._loss):
            raise ModelError(
                f"The loss is {self._loss} after {state.global_step} steps",
                "",
                "Lower --learning-rate, or use --bf16 off",
            )
        if self._listener is None or self.trainer is None:
            return
        seconds, seen = self._schedule.seconds(), self.trainer.seen
        rate = (seen - self._last[1]) / max(seconds - self._last[0], 1e-9)
        self._last = (seconds, seen)
        share = self._schedule.share(state.global_step)
        self._listener(TrainingProgress(state.global_step, share, seconds / 60, self._loss, self._dev_loss, seen, rate))

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True


def training_arguments(settings: TrainingSettings, folder: Path, steps: int, device: str, bf16: bool) -> Any:
    """The Trainer's own options for a run of ``steps``."""
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        learning_rate=filled(settings.learning_rate),
        per_device_train_batch_size=1,
        gradient_accumulation_steps=filled(settings.accumulation),
        weight_decay=0.0,
        max_grad_norm=1.0,
        logging_steps=1 if steps < 100 else 5,
        eval_strategy="steps",
        eval_steps=10**9,
        save_strategy="steps",
        save_steps=10**9,
        save_total_limit=3,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        remove_unused_columns=False,
        seed=settings.seed,
        data_seed=settings.seed,
        use_cpu=device == "cpu",
        bf16=bf16,
        disable_tqdm=True,
        report_to=[],
        dataloader_num_workers=0,
        dataloader_pin_memory=False,
        logging_nan_inf_filter=False,
    )
