"""``xqg train generator`` trains a query generator on pairs; ``xqg evaluate-generator`` measures it beside people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from xqg.assembly import build_encoder, build_generator
from xqg.commands.interruption import stop_on_signal
from xqg.errors import EXIT_REJECTS
from xqg.folder_lock import locked_folder
from xqg.options import given, model_options
from xqg.settings import EncoderSettings, GeneratorSettings, validated
from xqg.training.training_settings import EvaluationSettings, TrainingSettings, writer_name

if TYPE_CHECKING:
    from xqg.protocols import QueryGenerator
    from xqg.training.evaluation import EvaluationData, GeneratorEvaluation


@click.group()
def train() -> None:
    """Train models on your own data."""


@train.command("generator")
@model_options(TrainingSettings)
@click.option("--rejects", type=click.Path(path_type=Path), default=Path("xqg-rejects.jsonl"), show_default=True)
@click.option("--json", "as_json", is_flag=True, help="print the summary as JSON")
@click.pass_context
def generator(ctx: click.Context, /, rejects: Path, as_json: bool, **options: Any) -> None:
    """Train a query generator on pairs of passage and query; use it with --generator hf:OUT.

    Interrupted, it keeps a checkpoint: the same command with --resume goes on.
    """
    from xqg.console import live_display, print_json, print_training, training_line
    from xqg.readers.rejects import RejectsFile
    from xqg.training.train import train_generator

    settings: TrainingSettings = validated(TrainingSettings, given(options))
    with (
        stop_on_signal() as stop,
        live_display(ctx.obj["quiet"], training_line) as progress,
        RejectsFile(rejects) as kept,
    ):
        report = train_generator(settings, progress, stop.is_set)
        for reject in report.rejects:
            kept.write(reject)
    if as_json:
        print_json({**report.__dict__, "out": str(report.out), "rejects": len(report.rejects)})
    else:
        print_training(report, str(rejects))
    ctx.exit(stop.exit_code if report.interrupted else EXIT_REJECTS if report.rejects else 0)


@click.command("evaluate-generator")
@model_options(EvaluationSettings)
@click.option(
    "--report", type=click.Path(path_type=Path, file_okay=False), help="folder for tables, random outputs and queries"
)
@click.option("--json", "as_json", is_flag=True, help="print the numbers as JSON")
@click.pass_context
def evaluate_generator(ctx: click.Context, /, report: Path | None, as_json: bool, **options: Any) -> None:
    """Measure query generators on passages they never saw, side by side with people's queries of the same passages.

    Share in the right language, round trip with the bundled encoder (does a query bring back its own passage?),
    distinct-2 and length, by language.
    """
    from xqg.console import live_display, print_json
    from xqg.languages import LanguageDetector
    from xqg.training.evaluation import evaluate_generators, read_evaluation_data
    from xqg.training.evaluation_report import to_json, write_report

    settings: EvaluationSettings = validated(EvaluationSettings, given(options))
    with locked_folder(report), live_display(ctx.obj["quiet"], str) as tell:
        data = read_evaluation_data(settings)
        generators = _build(settings, data)
        encoder = build_encoder(EncoderSettings())
        evaluation = evaluate_generators(settings, data, generators, encoder, LanguageDetector(), tell)
        if report is not None:
            write_report(evaluation, report)
    if as_json:
        print_json(to_json(evaluation))
    else:
        _print(evaluation)


def _build(settings: EvaluationSettings, data: EvaluationData) -> dict[str, QueryGenerator]:
    from xqg.training.evaluation import EveryLanguage

    common = {"languages": data.languages, "style": data.style, "seed": settings.seed, "base": settings.generator_base}
    generators: dict[str, QueryGenerator] = {}
    for spec in settings.generator:
        own = {"spec": spec, "queries_per_language": settings.queries_per_language, **common}
        generator = build_generator(validated(GeneratorSettings, own), EveryLanguage())
        if generator is not None:
            generators[writer_name(spec)] = generator
    return generators


def _print(evaluation: GeneratorEvaluation) -> None:
    from xqg.console import print_lines, print_table
    from xqg.training.evaluation_report import COLUMNS, EXPLANATION, describe, language_rows, macro_rows

    rows = language_rows(evaluation)
    ends = [place for place in range(len(rows) - 1) if rows[place][0] != rows[place + 1][0]]
    print_lines(describe(evaluation), EXPLANATION)
    if evaluation.data.rejected:
        print_lines(f"{evaluation.data.rejected} records could not be read.")
    print_table("By language", ["language", "writer", *COLUMNS], rows, rules=ends)
    print_table("Macro average", ["writer", *COLUMNS], macro_rows(evaluation))
