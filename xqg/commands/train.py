"""``xqg train``: a query generator on pairs, and pairs where there are none."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from xqg.assembly import build_encoder, build_generator
from xqg.commands.stopping import stop_on_signal
from xqg.errors import EXIT_REJECTS, SettingsError
from xqg.options import collect, given, make_folder, model_options, settings_options
from xqg.settings import EncoderSettings, GeneratorSettings, ReaderSettings, validated
from xqg.training.settings import TrainingSettings

_WORSE_BY = "how far a query's score is under that of the one it is rejected for; inf: only for a wrong language"


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
    from xqg.console import print_json, print_training, training_display
    from xqg.ingest.rejects import RejectsFile
    from xqg.training.train import train_generator

    settings: TrainingSettings = validated(TrainingSettings, given(options))
    with training_display(ctx.obj["quiet"]) as progress, RejectsFile(rejects) as kept:
        report = train_generator(settings, progress)
        for reject in report.rejects:
            kept.write(reject)
    if as_json:
        print_json({**report.__dict__, "out": str(report.out), "rejects": len(report.rejects)})
    else:
        print_training(report, str(rejects))
    ctx.exit(130 if report.interrupted else EXIT_REJECTS if report.rejects else 0)


@train.command("pairs")
@click.argument("sources", nargs=-1, required=True)
@settings_options("generator", "encoder", "reader")
@click.option("--keep", type=click.IntRange(1, 100), default=4, show_default=True, help="pairs a passage and language")
@click.option("--check-words/--no-check-words", default=True, show_default=True, help="prefer words that people write")
@click.option("--worse-by", type=click.FloatRange(0), default=0.025, show_default=True, help=_WORSE_BY)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="JSON Lines file")
@click.option("--rejects", type=click.Path(path_type=Path), default=Path("xqg-rejects.jsonl"), show_default=True)
@click.option("--json", "as_json", is_flag=True, help="print the summary as JSON")
@click.pass_context
def pairs(
    ctx: click.Context,
    /,
    sources: tuple[str, ...],
    keep: int,
    check_words: bool,
    worse_by: float,
    out: Path,
    rejects: Path,
    as_json: bool,
    **options: Any,
) -> None:
    """Make pairs for `train generator` from SOURCES that nobody asked questions of.

    A generator writes queries; those that bring back their own passage first, among all passages, are kept, those with
    the widest margin and without invented words first, each with a worse one that it is preferred to: in a wrong
    language, where there is one. Interrupted, the same command goes on.
    """
    from xqg.console import print_json, print_lines, status_display
    from xqg.ingest.corpus import passages_from
    from xqg.ingest.planning import asked_languages
    from xqg.ingest.rejects import RejectsFile
    from xqg.languages import LanguageDetector
    from xqg.training.evaluation import EveryLanguage
    from xqg.training.selection import Standards, no_words, write_pairs
    from xqg.training.words import WordLists

    unknown_words = WordLists().count_unknown if check_words else no_words
    values, detector = collect(options), LanguageDetector()
    settings: GeneratorSettings = validated(GeneratorSettings, values["generator"])
    writer = build_generator(settings, EveryLanguage())
    if writer is None:
        raise SettingsError("--generator none writes nothing", "asked for pairs", "Name another generator")
    encoder = build_encoder(validated(EncoderSettings, values["encoder"]))
    passages = passages_from(sources, validated(ReaderSettings, values["reader"]), encoder.count_tokens, detector)
    languages = settings.languages or writer.languages()
    standards = Standards(keep, detector, languages, unknown_words, worse_by)
    target = partial(asked_languages, languages=languages, own_language=settings.own_language)
    make_folder(out.parent)
    with RejectsFile(rejects, sources) as kept, stop_on_signal() as stop, status_display(ctx.obj["quiet"]) as tell:
        report = write_pairs(passages, writer, target, encoder, standards, out, kept.write, tell, stop.is_set)
    if as_json:
        print_json(report.to_json() | {"out": str(out)})
    else:
        shares = ", ".join(f"{code} {report.kept[code]} of {report.written[code]}" for code in report.written)
        print_lines(f"{report.passages} passages, {report.rejected} rejected; kept in {out}: {shares}")
    if report.interrupted:
        click.echo("Interrupted after a whole batch; run the same command again to go on.", err=True)
        ctx.exit(stop.exit_code)
    ctx.exit(EXIT_REJECTS if report.rejected else 0)
