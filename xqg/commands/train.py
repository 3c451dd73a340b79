"""``xqg train``: a query generator on pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from xqg.errors import EXIT_REJECTS
from xqg.options import given, make_folder, model_options
from xqg.settings import validated
from xqg.training.training_settings import TrainingSettings


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
    from xqg.readers.rejects import RejectsFile
    from xqg.training.train import train_generator

    settings: TrainingSettings = validated(TrainingSettings, given(options))
    make_folder(settings.out)
    with training_display(ctx.obj["quiet"]) as progress, RejectsFile(rejects) as kept:
        report = train_generator(settings, progress)
        for reject in report.rejects:
            kept.write(reject)
    if as_json:
        print_json({**report.__dict__, "out": str(report.out), "rejects": len(report.rejects)})
    else:
        print_training(report, str(rejects))
    ctx.exit(130 if report.interrupted else EXIT_REJECTS if report.rejects else 0)
