"""``xqg augment``."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from xqg.commands.interruption import stop_on_signal
from xqg.options import collect, given, model_options, settings_options
from xqg.settings import AugmentSettings, IngestSettings, StoreSettings, validated

if TYPE_CHECKING:
    from xqg.augment.source import AugmentReport
    from xqg.stores.server import Server

EXIT_UNSETTLED = 3
AS_THE_SOURCE = ("fusion.distance", "job.sync", "job.sync_limit")


@click.command()
@settings_options("store", "generator", "encoder", "fusion", "job", "reader.language", without=AS_THE_SOURCE)
@model_options(AugmentSettings)
@click.option("--rollback", is_flag=True, help="move the alias back to the collection that --into was made from")
@click.option("--dry-run", is_flag=True, help="print the plan and its cost, write nothing")
@click.option("--json", "as_json", is_flag=True, help="print the summary as JSON")
@click.pass_context
def augment(ctx: click.Context, /, rollback: bool, dry_run: bool, as_json: bool, **options: Any) -> None:
    """Make a better collection of one that LangChain, LlamaIndex, Haystack or another stack wrote.

    Reads --collection, which stays as it is, and writes --into: same ids, payloads and configuration, and several rows
    a point (--views 0: one) that questions in other languages find. Then --alias is moved from one to the other. Run it
    again to catch up on what changed meanwhile, there and in --into.
    """
    from xqg.assembly import open_augmentation, open_server
    from xqg.console import PLAN, live_display, print_facts, print_json, print_lines, progress_line

    values = collect(options)
    chosen = given({name: options[name] for name in AugmentSettings.model_fields})
    settings: AugmentSettings = validated(AugmentSettings, chosen)
    into: StoreSettings = validated(StoreSettings, {**values["store"], "collection": settings.into})
    if rollback:
        _roll_back(open_server(into), settings, as_json)
        return
    source: StoreSettings = validated(StoreSettings, values["store"])
    ingest: IngestSettings = validated(IngestSettings, {**values.pop("job"), **values, "store": into})
    with open_augmentation(source, settings, ingest) as job:
        if dry_run:
            print_facts(job.estimate(), as_json, PLAN)
            return
        with stop_on_signal() as stop, live_display(ctx.obj["quiet"], progress_line) as progress:
            report = job.run(progress, stop.is_set)
    if as_json:
        print_json(report.to_json())
    else:
        print_lines(*_summary(report))
    whole = report.settled and not (report.work.failed or report.work.refused)
    ctx.exit(stop.exit_code if report.interrupted else 0 if whole else EXIT_UNSETTLED)


def _roll_back(server: Server, settings: AugmentSettings, as_json: bool) -> None:
    from xqg.augment.job import roll_back
    from xqg.console import print_facts

    with closing(server):
        moved = roll_back(server, settings.into, settings.alias)
    print_facts(moved, as_json)


def _summary(report: AugmentReport) -> list[str]:
    from xqg.console import failure_lines, written_line

    block, work, into = report.block, report.work, report.into
    dropped = ", ".join(f"{count} {reason}" for reason, count in sorted(work.dropped.items())) or "none"
    lines = [
        f"{block.source} ({block.layout.name} layout) -> {into}: {work.read} points, stored {work.upserted}, "
        f"deleted {work.deleted}, in {report.passes} passes",
        f"{written_line(work)}, dropped: {dropped}",
    ]
    lines += failure_lines(work)
    if report.without_text:
        lines.append(f"{report.without_text} points have no text or no vector, and are copied as they are")
    if report.in_place or report.others:
        left = f", {report.others} left as they are" if report.others else ""
        lines.append(f"written to {into} by others: {report.in_place} points augmented in place{left}")
    if report.alias is not None:
        lines.append(f"alias {report.alias['alias']}: {report.alias['was'] or 'new'} -> {report.alias['now']}")
    if report.interrupted:
        lines.append("Interrupted after a whole batch; run the same command again to go on.")
    elif not report.settled:
        lines.append(f"{block.source} kept changing, so the alias stays; run the same command again to catch up.")
    return lines
