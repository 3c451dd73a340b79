"""``xqg compare``: what a user gets by switching from one collection to another, with or without labelled queries."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from xqg.assembly import build_generator, open_store
from xqg.commands.evaluate import check_choices, measure, measuring_options, output
from xqg.errors import SettingsError
from xqg.folder_lock import locked_folder
from xqg.languages import LanguageDetector
from xqg.options import collect, settings_options
from xqg.settings import GeneratorSettings, StoreSettings, validated

if TYPE_CHECKING:
    from xqg.evaluation.queries import LabelledQuery
    from xqg.protocols import VectorStore

GENERATOR_OPTIONS = [
    f"generator.{name}"
    for name in GeneratorSettings.model_fields
    if name not in ("queries_per_language", "augment_with", "seed", "api_key", "timeout_seconds")
]


@click.command()
@settings_options("store", "encoder.device", "encoder.base_url", *GENERATOR_OPTIONS)
@click.option(
    "--against", metavar="COLLECTION", required=True, help="the collection to compare with, in the same store"
)
@click.option("--queries", type=click.Path(path_type=Path), help="labelled queries; without them, they are generated")
@click.option("--sample", type=click.IntRange(2), default=200, show_default=True, help="passages to generate for")
@click.option(
    "--queries-per-language", type=click.IntRange(1, 100), default=1, show_default=True, help="for each passage"
)
@click.option("--seed", type=click.IntRange(0), help="of sample and queries; default: one that was not used yet")
@measuring_options
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
        check_choices(params, against)
        if queries is not None:
            read = read_queries(queries, params["qrels"], params["query_language"])
            asked: Sequence[LabelledQuery] = read.queries
            notes = query_notes(read)
        else:
            if params["qrels"] is not None:
                raise SettingsError("--qrels without --queries", "", "Add the file of the queries that it judges")
            asked, note = _generate(against, params, quiet)
            notes = [note]
        output(measure(asked, params, against, notes, quiet), params["report"], params["as_json"])


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
