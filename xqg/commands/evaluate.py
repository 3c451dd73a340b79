"""``xqg evaluate``: how well a collection answers labelled queries, and whether it does better than another.

``xqg compare``: what a user gets by switching from one to another, with or without labelled queries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from xqg.assembly import build_generator, open_searcher, open_store
from xqg.errors import SettingsError
from xqg.folder_lock import locked_folder
from xqg.languages import LanguageDetector
from xqg.options import collect, search_settings, settings_options
from xqg.settings import GeneratorSettings, StoreSettings, validated

if TYPE_CHECKING:
    from xqg.evaluation.queries import LabelledQuery
    from xqg.evaluation.report import EvaluationReport, NamedEvaluation
    from xqg.protocols import VectorStore

Command = TypeVar("Command", bound=Callable[..., Any])

OF_HELD_OUT = ("generator.queries_per_language", "generator.augment_with", "generator.seed")
"""Settings of the generator that differ where it writes queries that are stored nowhere."""


def _measuring_options(command: Command) -> Command:
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
@_measuring_options
@click.pass_context
def evaluate(ctx: click.Context, /, queries: Path, against: str | None, **params: Any) -> None:
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
        _check_choices(params, against)
        read = read_queries(queries, params["qrels"], params["query_language"])
        report = _measure(read.queries, params, against, query_notes(read), ctx.obj["quiet"])
        _output(report, params["report"], params["as_json"])


@click.command()
@settings_options("store", "encoder.device", "encoder.base_url", "generator", without=OF_HELD_OUT)
@click.option(
    "--against", metavar="COLLECTION", required=True, help="the collection to compare with, in the same store"
)
@click.option("--queries", type=click.Path(path_type=Path), help="labelled queries; without them, they are generated")
@click.option("--sample", type=click.IntRange(2), default=200, show_default=True, help="passages to generate for")
@click.option(
    "--queries-per-language", type=click.IntRange(1, 100), default=1, show_default=True, help="for each passage"
)
@click.option("--seed", type=click.IntRange(0), help="of sample and queries; default: one that was not used yet")
@_measuring_options
@click.pass_context
def compare(ctx: click.Context, /, against: str, queries: Path | None, **params: Any) -> None:
    """Tell, per language, what a collection finds better or worse than another.

    With labelled --queries this is `xqg evaluate`. Without, questions are generated for passages that both collections
    hold, other ones than are stored; every question should find its own passage. Needs: pip install "xqg[evaluate]"
    """
    from xqg.evaluation.evaluate import require_packages
    from xqg.evaluation.queries import read_queries
    from xqg.evaluation.report import query_notes

    require_packages()
    quiet = ctx.obj["quiet"]
    with locked_folder(params["report"]):
        _check_choices(params, against)
        if queries is not None:
            read = read_queries(queries, params["qrels"], params["query_language"])
            asked: Sequence[LabelledQuery] = read.queries
            notes = query_notes(read)
        else:
            if params["qrels"] is not None:
                raise SettingsError("--qrels without --queries", "", "Add the file of the queries that it judges")
            asked, note = _generate(against, params, quiet)
            notes = [note]
        _output(_measure(asked, params, against, notes, quiet), params["report"], params["as_json"])


def _measure(
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


def _check_choices(params: Mapping[str, Any], against: str | None) -> None:
    """See, before any work, that two collections are there to be compared.

    :raises SettingsError: if a collection is compared with itself. :raises StoreError: if the other one is missing.
    """
    if against is None:
        return
    if against == params["store_collection"]:
        raise SettingsError(f"Both collections are {against!r}", "two collections", "Choose another --against")
    open_searcher(search_settings(params, against, params["store_collection"])).close()


def _output(report: EvaluationReport, folder: Path | None, as_json: bool) -> None:
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


def _generate(against: str, params: dict[str, Any], quiet: bool) -> tuple[list[LabelledQuery], str]:
    """Held-out queries for the two collections, and what to say of them."""
    from xqg.console import count_display
    from xqg.evaluation.held_out import choose_seed, generate_queries, sample_passages, stored_languages
    from xqg.search.searcher import require_collection

    place = collect(params)["store"]
    ours: StoreSettings = validated(StoreSettings, place)
    theirs: StoreSettings = validated(StoreSettings, {**place, "collection": against})
    with closing(open_store(ours, against)) as first, closing(open_store(theirs, ours.collection)) as second:
        stores: list[VectorStore] = [first, second]
        found = [require_collection(first, ours.collection), require_collection(second, theirs.collection)]
        settings = _generator_settings(params, stored_languages(found), choose_seed(params["seed"], found))
        generator = build_generator(settings, LanguageDetector())
        if generator is None:
            raise SettingsError(
                "--generator none writes no queries",
                "a generator of held-out queries",
                "Name --languages, or give --queries",
            )
        passages = sample_passages(first, second, params["sample"], settings.seed)
        with count_display(quiet, "passages asked about") as show:
            queries = generate_queries(
                passages,
                generator,
                settings.languages or generator.languages(),
                settings.own_language,
                stores,
                lambda done: show(done, len(passages)),
            )
    note = (
        f"these are {len(queries)} generated questions on {len(passages)} passages (seed {settings.seed}), not people's"
    )
    return queries, f"{note}; expect less of people's questions, and check with --queries"


def _generator_settings(params: dict[str, Any], stored: tuple[str, ...], seed: int) -> GeneratorSettings:
    values = {**collect(params)["generator"], "queries_per_language": params["queries_per_language"], "seed": seed}
    writes_by_itself = not values.get("spec", "").startswith(("none", "file:"))
    if "languages" not in values and stored and writes_by_itself:
        values["languages"] = stored
    settings: GeneratorSettings = validated(GeneratorSettings, values)
    return settings
