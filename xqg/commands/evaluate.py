"""``xqg evaluate``: how well a collection answers labelled queries, and whether it does better than another.

``xqg compare`` searches and prints in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from xqg.assembly import open_searcher
from xqg.errors import SettingsError
from xqg.folder_lock import locked_folder
from xqg.options import search_settings, settings_options

if TYPE_CHECKING:
    from xqg.evaluation.queries import LabelledQuery
    from xqg.evaluation.report import EvaluationReport, NamedEvaluation

Command = TypeVar("Command", bound=Callable[..., Any])


def measuring_options(command: Command) -> Command:
    """Add the options of both commands."""
    for option in (
        click.option("--encoder", "encoder_spec", help="must be the one of the collection; default: it"),
        click.option("--qrels", type=click.Path(path_type=Path), help="relevance judgements: a BEIR or TREC file"),
        click.option("--query-language", metavar="CODE", help="of queries that name none"),
        click.option("--exact", is_flag=True, help="look at every point; without it, search as users do"),
        click.option("--report", type=click.Path(path_type=Path, file_okay=False), help="folder for a full report"),
        click.option("--json", "as_json", is_flag=True, help="print everything as JSON"),
    ):
        command = option(command)
    return command


@click.command()
@click.option("--queries", type=click.Path(path_type=Path), required=True, help="JSON lines: ours or BEIR's")
@settings_options("store", "encoder.device", "encoder.base_url")
@click.option("--against", metavar="COLLECTION", help="another collection in the same store, to compare with")
@measuring_options
@click.pass_context
def evaluate(
    ctx: click.Context,
    /,
    queries: Path,
    qrels: Path | None,
    against: str | None,
    query_language: str | None,
    **params: Any,
) -> None:
    """Measure how well a collection answers labelled queries, per language.

    Queries have id, language, query, and passage_id (one or a list) or answers (a list), or they are BEIR's with
    --qrels. Recall, MRR and nDCG look for passages, R@2kt and R@5kt (XOR-Retrieve) for answers in the first 2,000 and
    5,000 tokens found. 100 passages are searched. Needs: pip install "xqg[evaluate]"
    """
    from xqg.evaluation.evaluate import require_packages
    from xqg.evaluation.queries import read_queries
    from xqg.evaluation.report import query_notes

    require_packages()
    with locked_folder(params["report"]):
        check_choices(params, against)
        read = read_queries(queries, qrels, query_language)
        report = measure(read.queries, params, against, query_notes(read), ctx.obj["quiet"])
        output(report, params["report"], params["as_json"])


def measure(
    queries: Sequence[LabelledQuery], params: Mapping[str, Any], against: str | None, notes: Sequence[str], quiet: bool
) -> EvaluationReport:
    """Search the collection in ``params``, and the one it is compared with, one after the other.

    :param notes: what a reader must know of the queries.
    :raises InputError: if a label matches no passage of one of the collections.
    """
    from xqg.evaluation.report import build_report

    own = str(params["store_collection"])
    ours = _evaluate(queries, params, own, against, quiet)
    theirs = None if against is None else _evaluate(queries, params, against, own, quiet)
    return build_report(ours, theirs, notes)


def check_choices(params: Mapping[str, Any], against: str | None) -> None:
    """See, before any work, that two collections are there to be compared.

    :raises SettingsError: if a collection is compared with itself. :raises StoreError: if the other one is missing.
    """
    if against is None:
        return
    if against == params["store_collection"]:
        raise SettingsError(f"Both collections are {against!r}", "two collections", "Choose another --against")
    open_searcher(search_settings(params, against, params["store_collection"])).close()


def output(report: EvaluationReport, folder: Path | None, as_json: bool) -> None:
    """Write the report folder where one is asked for, and print tables or JSON."""
    from xqg.console import print_json, print_lines, print_table
    from xqg.evaluation.report import write_report

    if folder is not None:
        write_report(report, folder)
    if as_json:
        print_json(report.to_json())
        return
    for note in report.notes:
        print_lines(f"Note: {note}.")
    for name in report.headlines:
        columns, rows = report.language_rows(name)
        print_table(name, columns, rows, rules=[len(rows) - 2])
    print_table("All measures", *report.macro_rows())
    if report.against is not None:
        print_lines("* p < 0.05: paired t-test over queries, corrected for the number of languages (Holm)")
    if folder is not None:
        print_lines(f"The report is in {folder}")


def _evaluate(
    queries: Sequence[LabelledQuery], params: Mapping[str, Any], collection: str, beside: str | None, quiet: bool
) -> NamedEvaluation:
    from xqg.console import count_display
    from xqg.evaluation.evaluate import check_labels, evaluate
    from xqg.evaluation.report import NamedEvaluation

    settings = search_settings(params, collection, beside)
    with (
        closing(open_searcher(settings, for_many=True)) as searcher,
        count_display(quiet, f"searched in {collection}") as show,
    ):
        found = evaluate(searcher, queries, exact=bool(params["exact"]), progress=lambda done: show(done, len(queries)))
        check_labels(searcher, found, collection)
    return NamedEvaluation(collection, found)
