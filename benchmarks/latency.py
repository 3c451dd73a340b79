"""Search latency and recall: passages stored with one vector each and with several rows, searched in turn in one run.

python benchmarks/latency.py [--passages 40000] [--rows 7.8] [--links 32] [--json latency.json]

The vectors are made up, but lie as real ones do: passages in topics, a passage's rows near one another (three tenths of
a piece in each), all in a space of far fewer dimensions than the vectors have, with the constant part that every row
gets. What a search costs depends on how many there are, how long they are, and on the graph over them. It is measured
before that graph is built and after, without the time that encoding a question takes; recall is against exact search.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from xqg.console import print_table
from xqg.protocols import Point
from xqg.records import LedgerEntry, Passage, Texts, Vectors
from xqg.stores import edge_engine
from xqg.stores.edge import EdgeStore

DIMENSION, INNER_DIMENSION = 384, 48
PASSAGES_A_TOPIC = 20
SPREAD = {"passage": 0.8, "piece": 1.0, "question": 0.9, "outside": 0.3}
"""Length of the noise that is added to a topic, a passage, a piece, and outside of the inner dimensions."""

PIECE_SHARE, CONSTANT_SHARE = 0.3, 0.83
BATCH = 500
ONE, SEVERAL = "one vector", "rows"


@dataclass(frozen=True)
class Material:
    """Inner vectors of all rows, the passages' first rows, and questions of ``wanted`` passages."""

    inner: Vectors
    first: Vectors
    questions: Vectors
    wanted: Vectors
    projection: Vectors

    def rows(self, start: int, end: int) -> Vectors:
        """Rows as they are stored, shape (end - start, `DIMENSION`); always the same for the same row."""
        noise = np.random.default_rng(start).normal(size=(end - start, DIMENSION)) / np.sqrt(DIMENSION)
        return anchored(self.inner[start:end] @ self.projection + SPREAD["outside"] * noise)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=40_000)
    parser.add_argument("--rows", type=float, default=7.8, help="a passage, in the mean")
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3, help="each question is asked so often of each")
    parser.add_argument("--links", type=int, default=None, help="m of the index of rows, instead of the store's own")
    parser.add_argument("--json", type=Path, default=None)
    options = parser.parse_args()
    if options.links is not None:
        edge_engine.MULTIVECTOR_LINKS = options.links
    material = make_material(options.passages, options.rows, options.questions)
    with TemporaryDirectory() as folder:
        result = measure(Path(folder), material, options.rounds)
    title = f"{options.passages} passages, {len(material.inner)} rows of {DIMENSION}, m {edge_engine.MULTIVECTOR_LINKS}"
    lines = [[name, *(f"{result[kind][name]:.3f}" for kind in (ONE, SEVERAL))] for name in result[ONE]]
    print_table(title, ["", ONE, SEVERAL], lines)
    if options.json is not None:
        options.json.write_text(json.dumps({"title": title, **result}, indent=1), encoding="utf-8")


def make_material(passages: int, mean_rows: float, questions: int) -> Material:
    """Everything that is drawn at random, from one seed."""
    random = np.random.default_rng(0)

    def near(rows: Vectors, what: str) -> Vectors:
        noise = random.normal(size=rows.shape) / np.sqrt(INNER_DIMENSION)
        return unit(rows + SPREAD[what] * noise)

    topics = unit(random.normal(size=(max(1, passages // PASSAGES_A_TOPIC), INNER_DIMENSION)))
    own = near(topics[random.integers(len(topics), size=passages)], "passage")
    counts = 1 + random.poisson(mean_rows - 1, size=passages)
    first = np.concatenate([[0], np.cumsum(counts)])
    pieces = near(np.repeat(own, counts, axis=0), "piece")
    inner = unit((1 - PIECE_SHARE) * np.repeat(own, counts, axis=0) + PIECE_SHARE * pieces)
    inner[first[:-1]] = own
    wanted = random.choice(passages, size=questions, replace=passages < questions)
    asked = near(pieces[first[wanted + 1] - 1], "question")
    projection = np.linalg.qr(random.normal(size=(DIMENSION, INNER_DIMENSION)))[0].T
    noise = random.normal(size=(questions, DIMENSION)) / np.sqrt(DIMENSION)
    return Material(inner, first, anchored(asked @ projection + SPREAD["outside"] * noise), wanted, projection)


def anchored(rows: Vectors) -> Vectors:
    """Unit rows with the constant part, float32."""
    constant = np.full(DIMENSION, 1 / np.sqrt(DIMENSION))
    outside = unit(rows - (rows @ constant)[:, None] * constant)
    return (np.sqrt(1 - CONSTANT_SHARE**2) * outside + CONSTANT_SHARE * constant).astype(np.float32)


def unit(rows: Vectors) -> Vectors:
    """Rows of length 1."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def measure(folder: Path, material: Material, rounds: int) -> dict[str, dict[str, float]]:
    """All numbers of both kinds; every kind is searched before one of them is indexed."""
    found: dict[str, dict[str, float]] = {ONE: {}, SEVERAL: {}}
    with ExitStack() as stack:
        stores = {name: stack.enter_context(closing(EdgeStore(folder, name.replace(" ", "-")))) for name in found}
        loads = {name: store.bulk_load() for name, store in stores.items()}
        for name, store in stores.items():
            store.create(DIMENSION, "cosine", {}, multivector=name == SEVERAL)
            loads[name].__enter__()
            found[name]["store, s"] = timed(lambda: fill(store, points(material, name == SEVERAL)))  # noqa: B023
        compare(stores, material, rounds, "before the index", found)
        for name in stores:
            found[name]["build the index, s"] = timed(lambda: loads[name].__exit__(None, None, None))  # noqa: B023
            found[name]["on disk, MB"] = sum(file.stat().st_blocks * 512 for file in place(folder, name)) / 1e6
        compare(stores, material, rounds, "with the index", found)
    return found


def place(folder: Path, name: str) -> Iterator[Path]:
    return (folder / name.replace(" ", "-")).rglob("*")


def points(material: Material, several: bool) -> Iterator[Point]:
    """The passages with small payloads; with one vector each, the first row."""
    passages = len(material.first) - 1
    for start in range(0, passages, BATCH):
        end = min(passages, start + BATCH)
        begin = material.first[start]
        rows = material.rows(begin, material.first[end])
        for number in range(start, end):
            own = rows[material.first[number] - begin : material.first[number + 1] - begin]
            passage = Passage(str(number), f"Passage {number} says how a thing is done. It has two sentences.")
            yield Point(passage, LedgerEntry("", "", "", "", Texts({})), own if several else own[:1])


def fill(store: EdgeStore, stored: Iterator[Point]) -> None:
    """Store the points, some at a time."""
    batch: list[Point] = []
    for point in stored:
        batch.append(point)
        if len(batch) == BATCH:
            store.upsert(batch)
            batch = []
    store.upsert(batch)


def timed(work: Callable[[], Any]) -> float:
    """Seconds of ``work``."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compare(
    stores: dict[str, EdgeStore], material: Material, rounds: int, when: str, found: dict[str, dict[str, float]]
) -> None:
    """Both kinds take the same questions in turn, one at a time; adds to ``found``."""
    times: dict[str, list[float]] = {name: [] for name in stores}
    hits: dict[str, list[list[str]]] = {name: [] for name in stores}
    for turn in range(-1, rounds):  # the first round warms up, and gives the hits
        for question in material.questions:
            for name in list(stores)[:: 1 if turn % 2 else -1]:
                start = time.perf_counter()
                (answer,) = stores[name].search(question[None], 10)
                if turn >= 0:
                    times[name].append(1000 * (time.perf_counter() - start))
                else:
                    hits[name].append([hit.passage.id for hit in answer])
    for name, store in stores.items():
        exact = [[hit.passage.id for hit in row] for row in store.search(material.questions, 10, exact=True)]
        shared = [len(set(own) & set(true)) / 10 for own, true in zip(hits[name], exact, strict=True)]
        found[name] |= {
            f"{when}: median, ms": median(times[name]),
            f"{when}: slowest in twenty, ms": float(np.quantile(times[name], 0.95)),
            f"{when}: recall@10": float(np.mean(shared)),
            f"{when}: R@1": first_hits(hits[name], material),
            f"{when}: R@1, exact": first_hits(exact, material),
        }


def first_hits(rows: list[list[str]], material: Material) -> float:
    """The share of questions whose passage comes first."""
    return float(np.mean([row[0] == str(number) for row, number in zip(rows, material.wanted, strict=True)]))


if __name__ == "__main__":
    main()
