"""The command line: options in, results out; the work is done by the parts that `assembly` builds."""

from __future__ import annotations

import errno
import io
import signal
import sys
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any

import click

from xqg.assembly import build_store, open_ingestion, open_searcher, open_store
from xqg.commands.augment import augment
from xqg.commands.dataset import dataset
from xqg.commands.evaluate import compare, evaluate
from xqg.commands.interruption import Stopped, stop_on_signal
from xqg.commands.models import export, models
from xqg.commands.serve import mcp, serve
from xqg.commands.sweep import sweep
from xqg.commands.train import evaluate_generator, train
from xqg.config import over, read_config
from xqg.early_exit import has_started
from xqg.errors import EXIT_REJECTS, SettingsError, XqgError
from xqg.messages import printable, redact
from xqg.options import collect, search_settings, settings_options
from xqg.settings import IngestSettings, StoreSettings, validated
from xqg.tuning import tune_process

EXIT_CODES = """
\b
Exit codes:
  0  done                     3  done, but some records or queries were not taken
  1  failed                   5  the store did not answer
  2  wrong or missing option  130, 143  interrupted; run it again to go on
"""


class Commands(click.Group):
    """Turns the errors a user can mend into one line and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        has_started()
        try:
            return super().invoke(ctx)
        except XqgError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(error.exit_code)
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # the reader of a pipe has seen enough, and click knows what to do
            click.echo(f"Error: {XqgError(_told(error), remedy=_REMEDIES.get(error.errno or 0, ''))}", err=True)
            ctx.exit(1)
        except KeyboardInterrupt as error:
            click.echo("Interrupted.", err=True)
            ctx.exit(error.exit_code if isinstance(error, Stopped) else 130)

    def main(self, *args: Any, **options: Any) -> Any:
        """Run a process from its beginning to its end; a test, which names arguments, is only a part of one."""
        try:
            return super().main(*args, **options)
        finally:
            if not (args or options):
                # what is left is Python's own end, and a signal there would be a traceback of its insides
                signal.signal(signal.SIGINT, signal.SIG_IGN)


_REMEDIES = {
    errno.ENOSPC: "Free some space and run the command again",
    errno.EROFS: "Name a place that can be written",
    errno.EACCES: "Give this user rights to it, or name another place",
    errno.EMFILE: "Raise the limit of open files (ulimit -n 4096) and run the command again",
}


def _told(error: OSError) -> str:
    """What the operating system refused, where nothing nearer knew more of it."""
    place = f"{error.filename}: " if error.filename is not None else ""
    return f"{place}{error.strerror or error}"


@click.group(cls=Commands, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="xqg", prog_name="xqg")
@click.option("--verbose", "-v", is_flag=True, help="log more")
@click.option("--quiet", "-q", is_flag=True, help="log warnings only")
@click.pass_context
def main(ctx: click.Context, verbose: bool, quiet: bool) -> None:
    """Make a Qdrant collection answer questions asked in other languages than its texts."""
    from xqg.console import set_up_logging

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a pipe or a name that is not UTF-8 must not end a run
    sys.excepthook = _tell_of_bug
    tune_process()
    set_up_logging(verbose, quiet)
    ctx.obj = {"quiet": quiet}


@main.command()
@click.argument("sources", nargs=-1, required=True)
@settings_options("store", "generator", "encoder", "fusion", "reader", "job")
@click.option("--rejects", type=click.Path(path_type=Path), default=Path("xqg-rejects.jsonl"), show_default=True)
@click.option("--config", type=click.Path(path_type=Path), envvar="XQG_CONFIG", help="settings file, in TOML")
@click.option("--dry-run", is_flag=True, help="print the plan and its cost, write nothing")
@click.option("--json", "as_json", is_flag=True, help="print the summary as JSON")
@click.pass_context
def ingest(
    ctx: click.Context,
    /,
    sources: tuple[str, ...],
    rejects: Path,
    config: Path | None,
    dry_run: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Read SOURCES (files, folders, - for stdin), generate queries, and store the fused vectors.

    Run it again after an interruption, or with more passages: what is stored and unchanged is skipped.
    """
    from xqg.console import PLAN, live_display, print_facts, print_json, print_report, progress_line

    values = over(read_config(config), collect(options))
    settings: IngestSettings = validated(IngestSettings, {**values.pop("job"), **values})
    with open_ingestion(settings) as job:
        if dry_run:
            print_facts(job.estimate(sources).to_json(), as_json, PLAN)
            return
        with stop_on_signal() as stop, live_display(ctx.obj["quiet"], progress_line) as progress:
            report = job.run(sources, rejects, progress, stop.is_set)
    if as_json:
        print_json(report.to_json() | {"rejects": str(rejects) if report.rejected else None})
    else:
        print_report(report, str(rejects))
    if report.interrupted:
        click.echo("Interrupted after a whole batch; run the same command again to go on.", err=True)
        ctx.exit(stop.exit_code)
    ctx.exit(EXIT_REJECTS if report.rejected or report.failed or report.refused else 0)


@main.command()
@click.argument("query")
@settings_options("store", "encoder.device", "encoder.base_url")
@click.option("--encoder", "encoder_spec", help="must be the one the collection was made with; default: that one")
@click.option("--limit", "-k", type=click.IntRange(1, 10_000), default=5, show_default=True, help="hits")
@click.option("--filter", "filters", multiple=True, metavar="KEY=VALUE", help="only those: = != < <= > >=; repeatable")
@click.option("--explain", is_flag=True, help="show for each hit its sentence, title or query closest to the question")
@click.option("--json", "as_json", is_flag=True, help="print the hits as JSON")
def search(query: str, limit: int, filters: tuple[str, ...], explain: bool, as_json: bool, **options: Any) -> None:
    """Search a collection with a QUERY in any language."""
    from xqg.console import hit_to_json, print_hits, print_json

    if not query.strip():
        raise SettingsError("The query is empty", "a question in any language")
    with closing(open_searcher(search_settings(options))) as searcher:
        hits = searcher.search(query, limit, filters)
        explanations = searcher.explain(query, hits) if explain else [None] * len(hits)
    if as_json:
        rows = [hit_to_json(hit, explanation) for hit, explanation in zip(hits, explanations, strict=True)]
        print_json({"query": query, "hits": rows})
    else:
        print_hits(query, hits, explanations)


@main.command()
@click.argument("passage_id", required=False)
@settings_options("store")
@click.option("--queries", is_flag=True, help="print all stored queries as JSON lines, to be read by --generator file:")
@click.option("--json", "as_json", is_flag=True, help="print as JSON")
def show(passage_id: str | None, queries: bool, as_json: bool, **options: Any) -> None:
    """Show what a collection holds, or one passage with its generated queries."""
    from xqg.console import mapping_rows, print_json, print_table
    from xqg.search.searcher import require_collection
    from xqg.search.show import describe_collection, describe_passage, export_queries

    settings: StoreSettings = validated(StoreSettings, collect(options)["store"])
    with closing(open_store(settings)) as store:
        collection = require_collection(store, settings.collection)
        if queries:
            for line in export_queries(store):
                print_json(line)
            return
        value = describe_passage(store, passage_id) if passage_id else describe_collection(collection, store)
    if as_json:
        print_json(value)
    else:
        print_table("", ["field", "value"], list(mapping_rows(value)))


@main.command()
@click.argument("document_ids", nargs=-1, required=True)
@settings_options("store")
@click.option("--dry-run", is_flag=True, help="print what would be deleted, delete nothing")
@click.option("--json", "as_json", is_flag=True, help="print the ids of the passages as JSON")
def delete(document_ids: tuple[str, ...], dry_run: bool, as_json: bool, **options: Any) -> None:
    """Delete documents, with all their chunks, from a collection that `xqg ingest` made.

    If one of DOCUMENT_IDS is not there, nothing is deleted. While a document is in the source, the next ingestion
    stores it again.
    """
    from xqg.console import print_json, print_lines
    from xqg.ingest.removal import passages_of
    from xqg.search.searcher import require_collection

    settings: StoreSettings = validated(StoreSettings, collect(options)["store"])
    with closing(build_store(settings)) as store:
        require_collection(store, settings.collection)
        found = {name: passages_of(store, name) for name in dict.fromkeys(document_ids)}
        passage_ids = list(dict.fromkeys(key for ids in found.values() for key in ids))
        if not dry_run:
            store.delete(passage_ids)
    if as_json:
        print_json({"dry_run": dry_run, "documents": list(found), "passages": passage_ids})
        return
    done = "would delete" if dry_run else "deleted"
    print_lines(*(f"{done} {name}" + (f" ({len(ids)} chunks)" if len(ids) > 1 else "") for name, ids in found.items()))


@main.command()
@click.option("--store", "store_spec", envvar=["XQG_STORE", "QDRANT_URL"], help="also check that this store answers")
@click.option("--json", "as_json", is_flag=True, help="print as JSON")
@click.pass_context
def doctor(ctx: click.Context, store_spec: str | None, as_json: bool) -> None:
    """Tell what is installed, which models are found, whether the store answers, and what to install."""
    from xqg.console import print_json, print_table
    from xqg.doctor import examine

    findings = examine(store_spec)
    if as_json:
        print_json([finding.__dict__ for finding in findings])
    else:
        rows = [[finding.subject, finding.state, finding.remedy] for finding in findings]
        print_table("", ["what", "found", "to do"], rows)
    ctx.exit(0 if all(finding.healthy for finding in findings) else 1)


@main.command()
@click.option("--path", type=click.Path(path_type=Path, file_okay=False), default=Path("demo-data"), show_default=True)
@click.option("--languages", default=None, metavar="CODES", help="languages to write queries in")
@click.option("--queries-per-language", type=click.IntRange(1, 20), default=None, help="queries for each passage")
@click.option("--passages", type=click.IntRange(8), default=None, help="take only the first N passages of the sample")
@click.option("--json", "as_json", is_flag=True, help="print the table as JSON")
@click.pass_context
def demo(ctx: click.Context, /, path: Path, as_json: bool, **choices: Any) -> None:
    """Ingest the sample help centre with the bundled models and show what was gained, per language."""
    from xqg.console import live_display, progress_line
    from xqg.demo import run_demo

    with live_display(ctx.obj["quiet"], progress_line) as progress:
        result = run_demo(path, progress, **{name: value for name, value in choices.items() if value is not None})
    result.print(as_json)


ADDED = (augment, evaluate, compare, dataset, evaluate_generator, export, mcp, models, serve, sweep, train)
for added in ADDED:
    main.add_command(added)


def _tell_of_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A traceback, as Python prints it, but without the secrets that its texts may quote."""
    from traceback import format_exception

    sys.stderr.write(printable(redact("".join(format_exception(kind, error, trace))), keep_breaks=True))


if __name__ == "__main__":
    sys.exit(main())
