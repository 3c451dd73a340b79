"""Search latency: the same passages stored plain, and as the rule `neutral` stores them, searched in turn.

python benchmarks/latency.py [--passages 40000] [--rounds 15] [--json latency.json]

The vectors are those of the sample help centre with noise, as many as asked for: what a search costs depends on how
many vectors there are and how long, and on the graph over them, which is built for both kinds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from xqg.ingest.fusion import Fusion, fuse
from xqg.ingest.subspace import language_space, unit_rows

from xqg.console import print_table
from xqg.encoders.bundled import BundledEncoder
from xqg.protocols import Point
from xqg.records import FusionRule, LedgerEntry, Passage, Vectors
from xqg.search.searcher import Searcher
from xqg.stores.edge import EdgeStore

SAMPLE = Path(__file__).parent.parent / "xqg" / "sample"
NOISE = 0.03
BATCH = 1000
QUESTIONS = 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=40_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, default=None)
    options = parser.parse_args()
    result = measure(options.passages, options.rounds)
    print_table(
        "Search, one question at a time", ["", "ms"], [[name, f"{value:.3f}"] for name, value in result.items()]
    )
    if options.json is not None:
        options.json.write_text(json.dumps(result), encoding="utf-8")


def measure(count: int, rounds: int) -> dict[str, float]:
    """Median milliseconds of a search under both, encoding included, and the median of the rounds' ratios."""
    encoder = BundledEncoder()
    passages = [json.loads(line) for line in (SAMPLE / "corpus.jsonl").read_text(encoding="utf-8").splitlines()]
    asked = [json.loads(line) for line in (SAMPLE / "questions.jsonl").read_text(encoding="utf-8").splitlines()]
    known = encoder.encode_passages([Passage("", item["text"], title=item["title"]) for item in passages])
    questions = [item["query"] for item in asked]
    vectors = encoder.encode_queries(questions)
    plain, neutral = stored(known, vectors, [item["language"] for item in asked], count)
    with TemporaryDirectory() as folder:
        kinds = {"plain": plain, "neutral": neutral}
        for name, rows in kinds.items():
            fill(Path(folder), name, rows, encoder.dimension)
        with closing(EdgeStore(Path(folder), "plain")) as one, closing(EdgeStore(Path(folder), "neutral")) as other:
            searchers = {"plain": Searcher(encoder, one), "neutral": Searcher(encoder, other)}
            return compare(searchers, questions, rounds)


def stored(known: Vectors, asked: Vectors, languages: Sequence[str], count: int) -> tuple[Vectors, Vectors]:
    """Unit vectors of shape (count, d): the known ones with noise, and the same as `neutral` stores them."""
    random = np.random.default_rng(0)
    rows = known[random.integers(len(known), size=count)] + random.normal(size=(count, known.shape[1])) * NOISE
    plain = unit_rows(rows).astype(np.float32)
    codes = sorted(set(languages) - {"en"})
    means = np.stack([asked[np.array(languages) == code].mean(axis=0) for code in codes]).astype(np.float64)
    fusion = Fusion(FusionRule.NEUTRAL, 0.0, share=1.0, renormalise=True, space=language_space(codes, means))
    nothing = np.empty((0, plain.shape[1]), dtype=np.float32)
    return plain, fuse(plain, nothing, np.empty(0, dtype=np.int64), [], fusion)


def fill(folder: Path, name: str, rows: Vectors, dimension: int) -> None:
    """Store the vectors with small payloads, and build the index."""
    with closing(EdgeStore(folder, name)) as store:
        store.create(dimension, "cosine", {})
        with store.bulk_load():
            for start in range(0, len(rows), BATCH):
                store.upsert([point(start + place, vector) for place, vector in enumerate(rows[start : start + BATCH])])


def point(number: int, vector: Vectors) -> Point:
    """A passage of two sentences with one generated query."""
    passage = Passage(str(number), f"Passage {number} says how a thing is done. It has two sentences.")
    return Point(passage, LedgerEntry("", "", "", "", {"fr": (f"Comment faire la chose {number} ?",)}), vector)


def compare(searchers: dict[str, Searcher], questions: Sequence[str], rounds: int) -> dict[str, float]:
    """Both take the same questions in turn, the first one changing with every round."""
    times: dict[str, list[float]] = {name: [] for name in searchers}
    chosen = questions[:: max(1, len(questions) // QUESTIONS)]
    for turn in range(-1, rounds):  # the first round warms up
        names = list(searchers) if turn % 2 else list(searchers)[::-1]
        for name in names:
            start = time.perf_counter()
            for question in chosen:
                searchers[name].search(question, 10)
            if turn >= 0:
                times[name].append((time.perf_counter() - start) / len(chosen))
    ratios = [after / before for before, after in zip(times["plain"], times["neutral"], strict=True)]
    return {
        "plain": 1000 * median(times["plain"]),
        "neutral": 1000 * median(times["neutral"]),
        "ratio": median(ratios),
        "lowest ratio": min(ratios),
        "highest ratio": max(ratios),
    }


if __name__ == "__main__":
    main()
