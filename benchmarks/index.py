"""What the embedded engine's index costs on a real pool: R@1 through it and exactly, the index built for certain.

    python benchmarks/index.py [POOL] [--data ../shared/data] [--folder FOLDER]

The engine searches small collections without an index; here it is told to build one whatever the size.
"""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import qdrant_edge as engine
from pools import DATA, read_pool
from retrieval import foreign

from xqg.assembly import build_encoder
from xqg.console import print_lines, print_table
from xqg.evaluation.evaluate import MACRO, Evaluation, QueryResult
from xqg.evaluation.measures import recall
from xqg.evaluation.sweep.grid import HIT, Cell, build
from xqg.evaluation.sweep.material import Material, VectorCache, gather
from xqg.protocols import Point
from xqg.records import FusionRule, LedgerEntry, Texts
from xqg.settings import EncoderSettings
from xqg.stores import edge_engine
from xqg.stores.edge import EdgeStore

BATCH = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool", nargs="?", default="mlqa")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--folder", type=Path, default=Path("benchmark-data"))
    options = parser.parse_args()
    cache = VectorCache(build_encoder(EncoderSettings()), options.folder)
    pool = read_pool(options.pool, options.data)
    material = gather(pool.passages, {}, pool.queries, cache, neutral=True)
    edge_engine.to_config = always_indexed(edge_engine.to_config)
    with TemporaryDirectory() as folder, closing(EdgeStore(Path(folder), "pool")) as store:
        fill(store, material)
        print_lines(f"{store._shard.info().indexed_vectors_count} of {len(material.passages)} points are indexed")
        rows = []
        for name, exact in (("exact", True), ("through the index", False)):
            found = search(store, material, exact)
            own = found.means(HIT).get(material.own_language, float("nan"))
            rows.append([name, f"{foreign(found, material).means(HIT)[MACRO]:.4f}", f"{own:.4f}"])
    print_table(options.pool, ["search", "R@1", "own R@1"], rows)


def always_indexed(to_config: Any) -> Any:
    """The product's configuration, but for the sizes from which on there is an index."""

    def changed(sidecar: Any) -> Any:
        edge_engine.FULL_SCAN_KILOBYTES = 1
        config = to_config(sidecar)
        return engine.EdgeConfig(
            vectors=config.vectors, wal_enabled=True, optimizers=engine.EdgeOptimizersConfig(indexing_threshold=1)
        )

    return changed


def fill(store: EdgeStore, material: Material) -> None:
    rows = build(material, Cell(FusionRule.VIEWS, ())).by_passage(len(material.passages))
    store.create(material.vectors.shape[1], "cosine", {}, multivector=True)
    with store.bulk_load():
        for start in range(0, len(rows), BATCH):
            batch = zip(material.passages[start : start + BATCH], rows[start : start + BATCH], strict=True)
            store.upsert([Point(passage, LedgerEntry("", "", "", "", Texts()), own) for passage, own in batch])


def search(store: EdgeStore, material: Material, exact: bool) -> Evaluation:
    results = []
    for start in range(0, len(material.queries), BATCH):
        hits = store.search(material.asked[start : start + BATCH], 10, exact=exact)
        for query, found in zip(material.queries[start : start + BATCH], hits, strict=True):
            results.append(QueryResult(query, (), {HIT: recall([hit.passage.id for hit in found], query.relevant, 1)}))
    return Evaluation(tuple(results))


if __name__ == "__main__":
    main()
