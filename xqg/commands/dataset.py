"""``xqg dataset``: published data sets into files that ``xqg ingest`` and ``xqg evaluate`` read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from xqg.folder_lock import locked_folder


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--format", "kind", type=click.Choice(["auto", "squad", "xor-tydi", "beir"]), default="auto")
@click.option("--pool", required=True, metavar="POOL", help="a language, mixed (each passage in one of its own) or all")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="folder to write into")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="of the mixed pool")
@click.option("--articles", metavar="FIRST-LAST", help="take only these articles of SQuAD files, counted from 0")
@click.option("--language", metavar="CODE", help="of passages and questions that name none")
@click.option("--split", help="train, dev, test …, or all; needed where there are several")
@click.option("--json", "as_json", is_flag=True, help="print the summary as JSON")
def dataset(path: Path, kind: str, pool: str, out: Path, as_json: bool, **options: Any) -> None:
    """Write passages.jsonl and queries.jsonl of the data set at PATH.

    PATH is a SQuAD-format file or a folder of them (XQuAD, MLQA: several languages are joined), XOR-TyDi's JSON lines
    (in a folder, with the Wikipedia as TSV beside them) or a BEIR folder.
    """
    from xqg.console import print_json, print_lines
    from xqg.errors import SettingsError
    from xqg.evaluation.datasets.dataset import ReadingOptions
    from xqg.evaluation.datasets.formats import read_dataset
    from xqg.evaluation.datasets.pools import PASSAGES, QUERIES, check_pool, write_pool
    from xqg.languages import language_name
    from xqg.readers.squad import parse_articles

    check_pool(pool)
    language = options["language"]
    if language is not None:
        language_name(language)
    try:
        articles = None if options["articles"] is None else parse_articles(options["articles"])
    except ValueError as error:
        raise SettingsError(str(error)) from None
    with locked_folder(out):
        read = read_dataset(path, kind, ReadingOptions(articles, language, options["split"]))
        report = write_pool(read, pool, out, options["seed"])
    if as_json:
        print_json(report.to_json())
        return
    print_lines(
        f"{out / PASSAGES}: {_counts(report.passages)}" if report.passages else "no passages: this data set has none",
        f"{out / QUERIES}: {_counts(report.queries)}; {report.left_out} left out, which no passage of the pool answers",
    )


def _counts(by_language: Any) -> str:
    return f"{sum(by_language.values())} ({', '.join(f'{code} {count}' for code, count in by_language.items())})"
