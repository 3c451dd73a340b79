"""``xqg evaluate``: how well a collection answers labelled queries, and whether it does better than another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from xqg.commands.evaluation_parts import check_choices, measure, measuring_options, output
from xqg.folder_lock import locked_folder
from xqg.options import settings_options


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
