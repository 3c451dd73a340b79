"""``xqg calibrate``: new weights from the stored queries."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import click

from xqg.commands.stopping import stop_on_signal
from xqg.errors import EXIT_REJECTS
from xqg.options import collect, settings_options
from xqg.settings import CalibrateSettings, SearchSettings, StoreSettings, validated


@click.command()
@settings_options(
    "store",
    "fusion.rule",
    "fusion.alpha",
    "fusion.share",
    "fusion.calibration_sample",
    "encoder.device",
    "encoder.base_url",
)
@click.option("--rejects", type=click.Path(path_type=Path), default=Path("xqg-rejects.jsonl"), show_default=True)
@click.option("--json", "as_json", is_flag=True, help="print the summary as JSON")
@click.pass_context
def calibrate(ctx: click.Context, /, rejects: Path, as_json: bool, **options: Any) -> None:
    """Calibrate a collection again from the queries it has, and fuse its vectors anew; nothing is generated.

    For a collection that has grown since, or another --rule. Interrupted, the same command goes on.
    """
    from xqg.assembly import open_parts
    from xqg.console import print_json, print_report, progress_display
    from xqg.ingest.recalibration import recalibrate
    from xqg.ingest.rejects import RejectsFile

    values = collect(options, CalibrateSettings)
    store: StoreSettings = validated(StoreSettings, values["store"])
    settings: CalibrateSettings = validated(CalibrateSettings, {"store": values["store"], "fusion": values["fusion"]})
    collection, encoder, opened = open_parts(SearchSettings(store=store, endpoint=values["encoder"]))
    with (
        closing(opened),
        RejectsFile(rejects) as kept,
        stop_on_signal() as stop,
        progress_display(ctx.obj["quiet"]) as progress,
    ):
        report = recalibrate(collection, opened, encoder, settings, kept.write, progress, stop.is_set)
    if as_json:
        print_json(report.to_json())
    else:
        print_report(report, str(rejects))
    ctx.exit(stop.exit_code if report.interrupted else EXIT_REJECTS if report.rejected else 0)
