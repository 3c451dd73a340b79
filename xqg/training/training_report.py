"""What a training run did, and where its parts lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from xqg.records import Reject

CHECKPOINTS = "checkpoints"


@dataclass(frozen=True)
class TrainingReport:
    """What a run did. ``out`` holds a usable generator unless it was ``interrupted``; ``remedy`` then says what to do.

    ``pairs`` were trained on, ``dev_pairs`` measured; ``unclear`` were dropped because they do not find their own
    passage. ``languages``: pairs trained on by language. ``dev_losses``: step and mean loss of a target token.
    ``kept_step``: the step whose weights were kept, that of the lowest dev loss.
    """

    out: Path
    pairs: int
    dev_pairs: int
    unclear: int
    languages: Mapping[str, int]
    rejects: tuple[Reject, ...]
    steps: int
    queries_seen: int
    minutes: float
    dev_losses: tuple[tuple[int, float], ...]
    kept_step: int
    interrupted: bool
    remedy: str = ""


def last_checkpoint(out: Path) -> Path | None:
    """The newest whole checkpoint in an output folder, None where there is none."""
    found = [path for path in (out / CHECKPOINTS).glob("checkpoint-*") if (path / "trainer_state.json").exists()]
    return max(found, key=checkpoint_step, default=None)


def checkpoint_step(checkpoint: Path) -> int:
    """The step at which a checkpoint was written."""
    return int(checkpoint.name.rpartition("-")[2])
