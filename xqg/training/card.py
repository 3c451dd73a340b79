"""The files that tell people and xqg what a trained generator is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xqg.errors import SettingsError
from xqg.languages import language_name
from xqg.training.training_report import TrainingReport
from xqg.training.training_settings import DataSource, TrainingSettings

if TYPE_CHECKING:
    from xqg.training.base_model import BaseModel

GENERATOR_FILE = "xqg_generator.json"
CARD = "README.md"
FORMAT = 1

_CARD_SETTINGS = (
    "method", "rank", "alpha", "learning_rate", "warmup", "epochs", "max_steps", "max_minutes", "pack_queries",
    "batch_tokens", "accumulation", "max_passage_tokens", "max_query_tokens", "language_balance", "untitled_share",
    "output_sample", "seed",
)  # fmt: skip


def write_card(settings: TrainingSettings, base: BaseModel, report: TrainingReport) -> None:
    """Write ``README.md`` for people and ``xqg_generator.json`` for xqg into the output folder."""
    facts = generator_facts(settings, base, report)
    text = json.dumps(facts, ensure_ascii=False, indent=2) + "\n"
    (settings.out / GENERATOR_FILE).write_text(text, encoding="utf-8")
    (settings.out / CARD).write_text(_card(settings, base, report, facts), encoding="utf-8")


def generator_facts(settings: TrainingSettings, base: BaseModel, report: TrainingReport) -> dict[str, Any]:
    """What xqg has to know to use the generator: prompt, base, languages, and how to sample."""
    before = base.start
    styles = sorted({source.style for source in settings.data}.union(before.styles if before else ()))
    return {
        "format": FORMAT,
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
    licences = settings.data_licence or ("not told to the training command",)
    what = "A low-rank adapter" if settings.method == "lora" else "A fine-tuned model"
    parts = [
        "---",
        f"base_model: {base.name}",
        "tags: [query-generation, cross-lingual-retrieval, xqg]",
        "language:",
        *(f"- {code}" for code in facts["languages"]),
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
        *(f"- Data: {licence}" for licence in licences),
        *([f"- Goes on from {settings.start}, {base.start.revision}: what its card says"] if base.start else []),
        "",
        "## Data",
        "",
        *(f"- {source_line(source)}" for source in settings.data),
        *(f"- dev: {source_line(source)}" for source in settings.dev),
        "",
        f"{report.pairs} pairs to train on, {report.dev_pairs} for the dev loss, {len(report.rejects)} rejected, "
        f"{report.unclear} dropped because the query does not find its own passage.",
        "",
        *markdown_table(("language", "pairs"), [(language_name(code), n) for code, n in report.languages.items()]),
        "",
        "## Training",
        "",
        f"{report.steps} steps, {report.queries_seen} queries read, {report.minutes:.0f} minutes on {base.device}"
        f"{' in bfloat16' if base.bf16 else ''}.",
        "",
        *markdown_table(("setting", "value"), [(name, getattr(settings, name)) for name in _CARD_SETTINGS]),
        "",
        "## Dev loss",
        "",
        f"Mean cross entropy of a query token, over the whole vocabulary; the weights are those of step "
        f"{report.kept_step}, with the lowest.",
        "",
        *markdown_table(
            ("step", "loss", "weights"),
            [(step, f"{loss:.4f}", "kept" if step == report.kept_step else "") for step, loss in report.dev_losses],
        ),
        "",
    ]
    return "\n".join(parts)


def check_card(folder: Path) -> None:
    """See that ``folder`` holds a trained generator with its card. :raises SettingsError: if it does not."""
    missing = [name for name in (GENERATOR_FILE, CARD) if not (folder / name).is_file()]
    if missing:
        raise SettingsError(f"{folder} has no {missing[0]}", "a folder that `xqg train generator` made")


def write_section(folder: Path, heading: str, lines: Sequence[str]) -> None:
    """Put a section into the card in ``folder``, in the place of the one with this heading, else at the end."""
    card = folder / CARD
    card.write_text(replace_section(card.read_text(encoding="utf-8"), heading, lines), encoding="utf-8")


def replace_section(text: str, heading: str, lines: Sequence[str]) -> str:
    """``text`` with ``lines`` under the second-level ``heading`` instead of what stood there up to the next one."""
    section = "\n".join([f"## {heading}", "", *lines, ""])
    before, found, rest = f"\n{text}".partition(f"\n## {heading}\n")
    if not found:
        return text.rstrip("\n") + "\n\n" + section
    _, following, after = f"\n{rest}".partition("\n## ")
    return f"{before}\n{section}{following}{after}"[1:]


def source_line(source: DataSource) -> str:
    """A source without the folders of this machine."""
    options = source.model_dump(exclude={"path", "passages", "style"}, exclude_defaults=True, mode="json")
    told = ", ".join(f"{name} {_plain(value)}" for name, value in options.items())
    return f"{Path(source.path).name}: style {source.style}{', ' + told if told else ''}"


def _plain(value: Any) -> str:
    return "-".join(str(part) for part in value) if isinstance(value, list) else str(value)


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """The lines of a table in Markdown."""
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    return lines + ["| " + " | ".join(str(value) for value in row) + " |" for row in rows]
