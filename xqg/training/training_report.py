"""Where a training run stands, what it did, and the files that tell people and xqg of the generator it made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xqg.generators.adapters import CARD
from xqg.languages import language_name
from xqg.messages import markdown_table
from xqg.records import Reject
from xqg.training.training_settings import DataSource, TrainingSettings

if TYPE_CHECKING:
    from xqg.training.base_model import BaseModel

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


_SETTINGS = (
    "method", "learning_rate", "epochs", "max_steps", "max_minutes", "batch_size", "accumulation",
    "max_passage_tokens", "max_query_tokens", "language_balance", "seed",
)  # fmt: skip


def write_card(settings: TrainingSettings, base: BaseModel, report: TrainingReport) -> None:
    """Write ``README.md`` for people and ``xqg_generator.json`` for xqg into the output folder."""
    facts = _facts(settings, base, report)
    (settings.out / CARD).write_text(json.dumps(facts, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    (settings.out / "README.md").write_text(_card(settings, base, report, facts), encoding="utf-8")


def _facts(settings: TrainingSettings, base: BaseModel, report: TrainingReport) -> dict[str, Any]:
    """What xqg has to know to use the generator: prompt, base, languages, and how to sample."""
    before = base.start
    styles = sorted({source.style for source in settings.data}.union(before.styles if before else ()))
    return {
        "format": 1,
        "method": settings.method,
        "prompt": "seq2seq" if base.is_seq2seq else "trained",
        "styles": ["question"] if base.is_seq2seq else styles,
        "base": {"spec": base.spec, "name": base.name, "revision": base.revision, "licence": base.licence},
        "languages": sorted(set(report.languages).union(before.languages if before else ())),
        "max_passage_tokens": settings.max_passage_tokens,
        "max_query_tokens": settings.max_query_tokens,
        "sampling": {"top_k": 10, "temperature": before.temperature if before else 1.0},
    }


def _card(settings: TrainingSettings, base: BaseModel, report: TrainingReport, facts: dict[str, Any]) -> str:
    what = "A low-rank adapter" if settings.method == "lora" else "A fine-tuned model"
    values = [(name, getattr(settings, name)) for name in _SETTINGS]
    for config in getattr(base.model, "peft_config", {}).values():
        values += [("rank", config.r), ("alpha", config.lora_alpha)]
    losses = [(step, f"{loss:.4f}", "kept" if step == report.kept_step else "") for step, loss in report.dev_losses]
    lines = [
        "---",
        f"base_model: {base.name}",
        "tags: [query-generation, cross-lingual-retrieval, xqg]",
        f"language: {json.dumps(facts['languages'])}",
        "---",
        "",
        f"# Query generator trained from {base.name}",
        "",
        f"{what} that reads a passage and writes the queries people would ask of it, in the language named by the "
        "prompt. Use it with `xqg ingest --generator hf:FOLDER`.",
        "",
        "## Licences",
        "",
        f"- Base model {base.name}, revision {base.revision}: {base.licence}",
        *(f"- Data: {licence}" for licence in settings.data_licence or ("not told to the training command",)),
        *([f"- Goes on from {settings.start}, {base.start.revision}: see its card"] if base.start else []),
        "",
        "## Data",
        "",
        *(f"- {source_line(source)}" for source in settings.data),
        *(f"- dev: {source_line(source)}" for source in settings.dev),
        "",
        f"{report.pairs} pairs to train on, {report.dev_pairs} for the dev loss, {len(report.rejects)} rejected.",
        "",
        *markdown_table(("language", "pairs"), [(language_name(code), n) for code, n in report.languages.items()]),
        "",
        "## Training",
        "",
        f"{report.steps} steps, {report.minutes:.0f} minutes on {base.device}{' in bfloat16' if base.bf16 else ''}.",
        "",
        *markdown_table(("setting", "value"), values),
        "",
        "## Dev loss",
        "",
        f"Mean cross entropy of a query token; the weights are those of step {report.kept_step}, with the lowest.",
        "",
        *markdown_table(("step", "loss", "weights"), losses),
    ]
    return "\n".join(lines) + "\n"


def source_line(source: DataSource) -> str:
    """A source without the folders of this machine."""
    options = source.model_dump(exclude={"path", "passages"}, exclude_defaults=True, mode="json")
    told = [f"style {source.style}", *(f"{name} {value}" for name, value in options.items() if name != "style")]
    return f"{Path(source.path).name}: {', '.join(told)}"
