"""Where a training run stands, and what it did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from xqg.records import Reject

CHECKPOINTS = "checkpoints"


@dataclass(frozen=True)
class TrainingReport:
    """What a run did. ``out`` holds a usable generator unless it was ``interrupted``; ``remedy`` then says what to do.

    ``pairs`` were trained on, ``dev_pairs`` measured. ``languages``: pairs trained on by language. ``dev_losses``: step
    and mean loss of a query token. ``kept_step``: the step whose weights were kept, that of the lowest dev loss.
    """

    out: Path
    pairs: int
    dev_pairs: int
    languages: Mapping[str, int]
    rejects: tuple[Reject, ...]
    steps: int
    minutes: float
    dev_losses: tuple[tuple[int, float], ...]
    kept_step: int
    interrupted: bool
    remedy: str = ""


@dataclass(frozen=True)
class TrainingProgress:
    """Where a run stands: ``share`` done from 0 to 1, and losses, None before the first."""

    step: int
    share: float
    minutes: float
    loss: float | None
    dev_loss: float | None


def checkpoint_step(checkpoint: Path) -> int:
    """The step at which a checkpoint was written."""
    return int(checkpoint.name.rpartition("-")[2])
