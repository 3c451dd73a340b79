"""``xqg evaluate-generator``: query generators side by side with people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from xqg.assembly import build_encoder, build_generator
from xqg.errors import SettingsError
from xqg.options import given, make_folder, model_options
from xqg.settings import EncoderSettings, GeneratorSettings, validated
from xqg.training.training_settings import EvaluationSettings, writer_name

if TYPE_CHECKING:
    from xqg.protocols import QueryGenerator
    from xqg.training.evaluation import EvaluationData, GeneratorEvaluation


@click.command("evaluate-generator")
@model_options(EvaluationSettings)
@click.option(
    "--report", type=click.Path(path_type=Path, file_okay=False), help="folder for tables, random outputs and queries"
)
@click.option(
    "--card",
    type=click.Path(path_type=Path, file_okay=False),
    help="folder of a trained generator, one of those measured: write the tables into its model card",
)
@click.option("--json", "as_json", is_flag=True, help="print the numbers as JSON")
@click.pass_context
def evaluate_generator(
    ctx: click.Context, /, report: Path | None, card: Path | None, as_json: bool, **options: Any
) -> None:
    """Measure query generators on passages they never saw, side by side with people's queries of the same passages.

    Share in the right language, round trip with the bundled encoder (does a query bring back its own passage?),
    distinct-2 and length, by language.
    """
    from xqg.console import print_json, status_display
    from xqg.languages import LanguageDetector
    from xqg.training.card import check_card, write_section
    from xqg.training.evaluation import evaluate_generators, read_evaluation_data
    from xqg.training.evaluation_report import tables, to_json, write_report

    settings: EvaluationSettings = validated(EvaluationSettings, given(options))
    if report is not None:
        make_folder(report)
    if card is not None:
        check_card(card)
        _check_measured(card, settings)
    data = read_evaluation_data(settings)
    generators = _build(settings, data)
    encoder = build_encoder(EncoderSettings())
    with status_display(ctx.obj["quiet"]) as tell:
        evaluation = evaluate_generators(settings, data, generators, encoder, LanguageDetector(), tell)
    if report is not None:
        write_report(evaluation, report)
    if card is not None:
        write_section(card, "Held-back results", tables(evaluation))
    if as_json:
        print_json(to_json(evaluation))
    else:
        _print(evaluation)


def _check_measured(card: Path, settings: EvaluationSettings) -> None:
    folders = [Path(spec.removeprefix("hf:")) for spec in settings.generator if spec.startswith("hf:")]
    if card.resolve() not in [folder.resolve() for folder in folders]:
        raise SettingsError(
            f"{card} is not among the generators", "asked to write its card", f"Add --generator hf:{card}"
        )


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
