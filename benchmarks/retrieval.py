"""The results of docs/results.md from the raw files: encodes every pool, fuses with every rule, and measures.

    python benchmarks/retrieval.py [POOL ...] [--generate] [--translate] [--universal] [--data ../shared/data]
        [--folder FOLDER] [--json FILE]

Without --generate the rules that need no generated queries: plain, neutral, views. With it, queries are generated with
the bundled generator for the named pools (a minute for a thousand), and sum, mean, neutral and views are measured on
them. With --translate (xqg[translate], no network), views with Portuguese translations, too; translation.py has other
languages, by people. Vectors and generated queries are kept in the folder, so the second run takes minutes. Searches
are exact. R@1 and MRR@10 are macro averages over the languages other than the passages' own, which stands apart.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

from pools import DATA, OWN_LANGUAGE, POOLS, Pool, read_pool
from translated import MACHINE, translate, translated_rows
from universal_encoder import LANGUAGES, UniversalEncoder

from xqg.assembly import build_encoder, build_generator
from xqg.console import count_display, print_lines, print_table
from xqg.evaluation.evaluate import MACRO, Evaluation
from xqg.evaluation.measures import MRR
from xqg.evaluation.statistics import clustered_p, holm
from xqg.evaluation.sweep.grid import HIT, MEASURES, PLAIN, Cell, build, evaluate_stored
from xqg.evaluation.sweep.material import Material, VectorCache, gather, read_texts, write_texts
from xqg.fusion.rules import StoredRows
from xqg.ingest.plan import asked_languages
from xqg.languages import LanguageDetector
from xqg.records import FusionRule, GeneratedQuery
from xqg.settings import EncoderSettings, GeneratorSettings

FEWER_LANGUAGES = ("de", "fr", "ja")
"""Generated in for Debian, whose 14 languages would take hours."""

COLUMNS = ["rule", "rows a passage", "R@1", "MRR@10", "own R@1", "own MRR@10", "change of MRR@10", "p"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pools", nargs="*", metavar="POOL", help=f"default: all; of {', '.join(POOLS)}")
    parser.add_argument("--generate", action="store_true", help="also what needs generated queries")
    parser.add_argument("--translate", action="store_true", help="also views with translations into Portuguese")
    parser.add_argument("--universal", action="store_true", help="with the Universal Sentence Encoder instead")
    parser.add_argument("--queries-per-language", type=int, default=2)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--folder", type=Path, default=Path("benchmark-data"))
    parser.add_argument("--json", type=Path, default=None)
    options = parser.parse_args()
    cache = VectorCache(UniversalEncoder() if options.universal else build_encoder(EncoderSettings()), options.folder)
    results = {}
    for name in options.pools or POOLS:
        pool = read_pool(name, options.data)
        if options.universal:
            pool = replace(pool, queries=[query for query in pool.queries if query.language in LANGUAGES])
        targets = target_languages(pool) if options.generate else ()
        began = perf_counter()
        generated = generate(pool, targets, options.queries_per_language, options.folder) if targets else []
        material = gather(pool.passages, {"queries": generated}, pool.queries, cache, neutral=True)
        seconds = perf_counter() - began
        stored = {rule: build(material, cell) for rule, cell in cells(targets)}
        if options.translate:
            stored[f"views, {MACHINE} by machine"] = translated_rows(material, translate(pool), cache, "merged")
        results[name] = {"seconds": seconds, "rules": measure(material, stored)}
        show(pool, material, results[name])
    if options.json is not None:
        options.json.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def target_languages(pool: Pool) -> tuple[str, ...]:
    """The languages that queries are generated in: those of the questions."""
    if pool.name.startswith("debian"):
        return FEWER_LANGUAGES
    several = len(pool.passage_counts()) > 1
    return tuple(code for code in sorted(pool.query_counts()) if several or code != OWN_LANGUAGE)


def generate(pool: Pool, targets: tuple[str, ...], count: int, folder: Path) -> list[GeneratedQuery]:
    """The pool's generated queries, written to the folder where they are not there yet."""
    path = folder / f"{pool.name}-{count}.jsonl"
    if not path.exists():
        style = "search" if pool.name.startswith("debian") else "question"
        settings = GeneratorSettings(spec="bundled", languages=targets, queries_per_language=count, style=style)
        generator = build_generator(settings, LanguageDetector())
        requests = [(passage, asked_languages(passage, targets)) for passage in pool.passages]
        with count_display(False, f"{pool.name}: passages generated for") as show_count:
            write_texts(path, generator, requests, show_count)
    return read_texts(path, pool.passages)


def cells(targets: tuple[str, ...]) -> Iterator[tuple[str, Cell]]:
    yield "plain", PLAIN
    yield "neutral", Cell(FusionRule.NEUTRAL, ())
    yield "views", Cell(FusionRule.VIEWS, ())
    if targets:
        yield "sum (the paper), generated", Cell(FusionRule.SUM, targets)
        yield "mean, generated", Cell(FusionRule.MEAN, targets)
        yield "neutral, generated", Cell(FusionRule.NEUTRAL, targets)
        yield "views, generated", Cell(FusionRule.VIEWS, targets)


def measure(material: Material, stored: Mapping[str, StoredRows]) -> dict[str, dict[str, Any]]:
    """Of each rule its rows, its means, and the p of its foreign macro average against plain, corrected (Holm)."""
    own = material.own_language
    found = {name: evaluate_stored(material, rows) for name, rows in stored.items()}
    asked = {name: foreign(evaluation, material) for name, evaluation in found.items()}
    others = [name for name in found if name != "plain"]
    tested = holm([clustered_p(asked[name], asked["plain"], MRR) for name in others])
    return {
        name: {
            "rows": len(stored[name].vectors) / len(material.passages),
            "macro": {kind: asked[name].means(kind)[MACRO] for kind in MEASURES},
            "own": {kind: evaluation.means(kind).get(own) for kind in MEASURES if own is not None},
            "languages": {kind: evaluation.means(kind) for kind in MEASURES},
            "p": dict(zip(others, tested, strict=True)).get(name),
        }
        for name, evaluation in found.items()
    }


def foreign(evaluation: Evaluation, material: Material) -> Evaluation:
    """The questions in other languages than the passages' own."""
    return evaluation.only([code for code in evaluation.languages() if code != material.own_language])


def show(pool: Pool, material: Material, result: dict[str, Any]) -> None:
    before = result["rules"]["plain"]["macro"][MRR]
    rows = [
        [
            name,
            f"{found['rows']:.1f}",
            f"{found['macro'][HIT]:.3f}",
            f"{found['macro'][MRR]:.3f}",
            tell(found["own"].get(HIT)),
            tell(found["own"].get(MRR)),
            f"{found['macro'][MRR] - before:+.3f}",
            tell(found["p"]),
        ]
        for name, found in result["rules"].items()
    ]
    print_table(pool.name, COLUMNS, rows)
    counts = ", ".join(f"{code} {count}" for code, count in sorted(pool.query_counts().items()))
    print_lines(f"{len(material.passages)} passages; questions: {counts}; {result['seconds']:.0f} s to encode", "")


def tell(value: float | None) -> str:
    return "–" if value is None else "<0.001" if value < 0.001 else f"{value:.3f}"


if __name__ == "__main__":
    main()
