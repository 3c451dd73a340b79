"""``xqg sweep``: the same texts fused in many ways, measured on labelled queries, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from xqg.assembly import build_encoder, build_generator
from xqg.errors import InputError, SettingsError
from xqg.folder_lock import locked_folder
from xqg.ingest.plan import asked_languages
from xqg.languages import LanguageDetector
from xqg.options import collect, settings_options, split_codes
from xqg.records import FusionRule, GeneratedQuery, Passage, Reject, digest
from xqg.settings import EncoderSettings, GeneratorSettings, ReaderSettings, validated

if TYPE_CHECKING:
    from xqg.evaluation.sweep.grid import Grid
    from xqg.evaluation.sweep.material import Kind, Material

VARIED = ("generator.queries_per_language", "generator.augment_with", "generator.own_language")
DEFAULT = "default"
FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option("--passages", "corpus", type=FILE, required=True, help="JSONL, CSV or whatever `xqg ingest` reads")
@click.option("--queries", type=FILE, required=True, help="labelled queries, JSON lines")
@click.option("--qrels", type=FILE, help="relevance judgements: a BEIR or TREC file")
@click.option(
    "--generated", type=FILE, help="generated queries, as for --generator file:; without, --languages has them made"
)
@click.option("--generated-passages", type=FILE, help="generated passages, in the same form")
@click.option("--rules", default="sum,mean,neutral,views", show_default=True)
@click.option("--alphas", default=DEFAULT, show_default=True, help="numbers, and default: the rule's own")
@click.option("--queries-per-language", default="all", show_default=True, help="numbers, and all")
@click.option("--languages-counts", default="", help="numbers of target languages, from 0; default: all there are")
@click.option("--draws", type=click.IntRange(1), default=3, show_default=True, help="choices of so many languages")
@click.option("--sweep-seed", type=click.IntRange(0), default=0, show_default=True, help="of the choices")
@click.option(
    "--augment-with", type=click.Choice(["queries", "passages", "both"]), default="queries", show_default=True
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="folder for the results")
@click.option("--json", "as_json", is_flag=True, help="print the rows as JSON")
@settings_options("encoder", "reader.format", "reader.language", "generator", without=VARIED)
@click.pass_context
def sweep(ctx: click.Context, /, out: Path, as_json: bool, **params: Any) -> None:
    """Measure rules, weights, and numbers of queries and languages against each other.

    Everything is encoded once, and kept in --out for the next sweep. Every combination of what is varied is fused anew
    and asked all queries, by exact search; nothing is stored. With --augment-with both, generated queries, generated
    passages and the two together are compared. The rules neutral and views need nothing generated.
    Needs: pip install "xqg[evaluate]"
    """
    from xqg.console import count_display, print_json, print_lines, print_table
    from xqg.evaluation.evaluate import require_packages
    from xqg.evaluation.sweep.grid import run_sweep
    from xqg.evaluation.sweep.output import COLUMNS, table_rows, write_sweep

    require_packages()
    quiet = ctx.obj["quiet"]
    grid = _grid(params)
    with locked_folder(out):
        material = _gather(params, grid, out, quiet)
        with count_display(quiet, "cells measured") as show:
            rows = run_sweep(material, grid, show)
        paths = write_sweep(rows, material.own_language, out)
    if as_json:
        print_json([row.to_json() for row in rows])
        return
    print_table(
        "Macro averages over the languages other than the passages'", COLUMNS, table_rows(rows, material.own_language)
    )
    print_lines("p: MRR@10 against plain, by passages, corrected (Holm).", *(str(path) for path in paths))


def _grid(params: dict[str, Any]) -> Grid:
    from xqg.evaluation.sweep.grid import Grid

    asked = params["augment_with"]
    return Grid(
        tuple(_rule(part) for part in _parts(params["rules"])),
        tuple(None if part == DEFAULT else _number(part, "--alphas") for part in _parts(params["alphas"])),
        tuple(
            None if part == "all" else _count(part, "--queries-per-language", 1)
            for part in _parts(params["queries_per_language"])
        ),
        tuple(_count(part, "--languages-counts", 0) for part in _parts(params["languages_counts"])),
        ("queries", "passages", "both") if asked == "both" else (asked,),
        params["draws"],
        params["sweep_seed"],
    )


def _gather(params: dict[str, Any], grid: Grid, out: Path, quiet: bool) -> Material:
    from xqg.console import count_display
    from xqg.evaluation.queries import read_queries
    from xqg.evaluation.sweep.material import VectorCache, gather, read_texts

    queries = read_queries(params["queries"], params["qrels"]).queries
    passages = _read_passages(params)
    kinds: dict[Kind, Path | None] = {"queries": params["generated"], "passages": params["generated_passages"]}
    generated: dict[Kind, Sequence[GeneratedQuery]] = {
        kind: read_texts(path, passages)
        for kind in kinds
        if kind in grid.augmentations and (path := kinds[kind] or _generate(kind, params, grid, passages, out, quiet))
    }
    encoder = build_encoder(validated(EncoderSettings, collect(params)["encoder"]))
    with count_display(quiet, "texts encoded") as show:
        cache = VectorCache(encoder, out, show)
        return gather(passages, generated, queries, cache, any(rule.is_neutral for rule in grid.rules))


def _read_passages(params: dict[str, Any]) -> list[Passage]:
    """Whole documents: the labels name them."""
    from xqg.readers.corpus import Corpus

    settings = validated(ReaderSettings, {**collect(params)["reader"], "chunk": False})
    corpus = Corpus([str(params["corpus"])], settings, len, LanguageDetector())
    passages = []
    for record in corpus:
        if isinstance(record, Reject):
            raise InputError(f"{record.file}, line {record.line}: {record.reason}", "", "Correct the line")
        passages.append(record)
    corpus.tell()
    return passages


def _generate(
    kind: Kind, params: dict[str, Any], grid: Grid, passages: Sequence[Passage], out: Path, quiet: bool
) -> Path | None:
    """The file with texts of these settings, made where it is not there yet; None where nothing is to be generated."""
    from xqg.console import count_display
    from xqg.evaluation.sweep.material import write_texts

    counts = [count for count in grid.texts_per_language if count is not None]
    values = {**collect(params)["generator"], "augment_with": kind}
    if counts and len(counts) == len(grid.texts_per_language):
        values["queries_per_language"] = max(counts)
    settings: GeneratorSettings = validated(GeneratorSettings, values)
    generator = build_generator(settings, LanguageDetector())
    if generator is None:
        if grid.augmentations != ("queries",) or any(rule.needs_queries for rule in grid.rules):
            raise SettingsError(
                f"There are no generated {kind} to fuse",
                "",
                "Name --languages, give a file of them, or sweep --rules neutral,views without",
            )
        return None
    languages = settings.languages or generator.languages()
    path = out / f"{kind}-{digest([dict(generator.identity), languages, settings.queries_per_language])[:12]}.jsonl"
    if not path.exists():
        requests = [(passage, asked_languages(passage, languages)) for passage in passages]
        with count_display(quiet, f"passages with generated {kind}") as show:
            write_texts(path, generator, [request for request in requests if request[1]], show)
    return path


def _parts(text: str) -> list[str]:
    return list(dict.fromkeys(split_codes(text)))


def _rule(part: str) -> FusionRule:
    known = [rule.value for rule in FusionRule if rule is not FusionRule.PLAIN]
    if part not in known:
        raise SettingsError(f"--rules: {part!r}", f"one of {', '.join(known)}; plain vectors are always measured")
    return FusionRule(part)


def _number(part: str, flag: str) -> float:
    try:
        number = float(part)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise SettingsError(f"{flag}: {part!r}", f"numbers from 0 to 1, and {DEFAULT}")
    return number


def _count(part: str, flag: str, least: int) -> int:
    if not part.isdecimal() or len(part) > 9 or int(part) < least:
        raise SettingsError(f"{flag}: {part!r}", f"numbers from {least}")
    return int(part)
