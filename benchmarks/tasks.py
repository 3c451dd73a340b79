"""The retrieval tasks of the benchmarks, from raw files: pools, questions, generated queries and vectors.

XQuAD: 160 passages with the same questions in 12 languages, in a pool of English passages and in a mixed one (each
passage in one of the languages, by lot). Debian: 3,000 package descriptions, every one that a question asks for among
them, and people's short descriptions in the languages that have at least 50.
"""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xqg.console import count_display
from xqg.datasets.pools import PASSAGES, QUERIES, write_pool
from xqg.datasets.records import ReadingOptions
from xqg.datasets.sources import read_dataset
from xqg.encoders.bundled import BundledEncoder
from xqg.evaluation.queries import LabelledQuery, read_queries
from xqg.languages import LanguageDetector
from xqg.records import Passage
from xqg.settings import GeneratorSettings
from xqg.sweep.material import Material, gather
from xqg.sweep.texts import read_texts, write_texts
from xqg.sweep.vectors import VectorCache

DATA = Path("../shared/data")
SAMPLE = 500
"""Passages to calibrate on, as `xqg ingest` does; queries in the passages' own language are generated for them only."""
DEBIAN_POOL = 3000
MINIMUM_QUERIES = 50
OWN_LANGUAGE = "en"


@dataclass(frozen=True)
class Task:
    """Passages and questions, the target languages, and how queries are generated."""

    name: str
    passages: tuple[Passage, ...]
    queries: tuple[LabelledQuery, ...]
    targets: tuple[str, ...]
    generated: str
    style: str
    texts_per_language: int


def read_tasks(data: Path, folder: Path, articles: tuple[int, int] | None = None) -> list[Task]:
    """All tasks.

    :param articles: first and last XQuAD article whose questions are asked, among the passages of all; None: all.
    """
    english = _xquad(data, folder, OWN_LANGUAGE, articles)
    mixed = _xquad(data, folder, "mixed", articles)
    return [english, mixed, _debian(data)]


def article_passages(data: Path, first: int, last: int) -> set[str]:
    """The ids of XQuAD's passages in these articles."""
    return {found.id for found in read_dataset(data / "xquad", "squad", ReadingOptions((first, last))).passages}


def load(task: Task, english: Task, folder: Path, quiet: bool = False) -> Material:
    """The task with its generated queries, made where the folder has none yet, and all vectors.

    :param english: the task whose passages are generated from: the mixed pool takes the queries of the English one.
    """
    path = folder / task.generated
    if not path.exists():
        _generate(english, path, quiet)
    with count_display(quiet, f"{task.name}: texts encoded") as show:
        cache = VectorCache(BundledEncoder(), folder, show)
        texts = read_texts(path, task.passages)
        sample = range(min(SAMPLE, len(task.passages)))
        return gather(task.passages, texts, [], task.queries, sample, cache)


def _xquad(data: Path, folder: Path, pool: str, articles: tuple[int, int] | None) -> Task:
    out = folder / f"xquad-{pool}"
    write_pool(read_dataset(data / "xquad", "squad"), pool, out)
    passages = tuple(_passage(record) for record in _lines(out / PASSAGES))
    asked = {passage.id for passage in passages} if articles is None else article_passages(data, *articles)
    queries = tuple(query for query in read_queries(out / QUERIES).queries if asked & set(query.relevant))
    languages = sorted({query.language for query in queries})
    targets = tuple(code for code in languages if pool == "mixed" or code != OWN_LANGUAGE)
    return Task(f"XQuAD, {pool} pool", passages, queries, targets, "xquad.jsonl", "question", 3)


def _debian(data: Path) -> Task:
    """The pool is drawn with a seed; its order is by lot too, so the first ones are a sample."""
    records = list(_lines(data / "debian" / "passages.jsonl.gz"))
    asked = [
        LabelledQuery(record["id"], record["language"], record["query"], {record["passage_id"]: 1})
        for record in _lines(data / "debian" / "queries.dev.jsonl.gz")
    ]
    relevant = {key for query in asked for key in query.relevant}
    lot = random.Random(0)
    rest = [record["id"] for record in records if record["id"] not in relevant]
    lot.shuffle(rest)
    order = sorted(relevant | set(rest[: DEBIAN_POOL - len(relevant)]))
    lot.shuffle(order)
    by_id = {record["id"]: _passage(record) for record in records}
    counts = Counter(query.language for query in asked)
    queries = tuple(query for query in asked if counts[query.language] >= MINIMUM_QUERIES)
    return Task("Debian", tuple(by_id[key] for key in order), queries, ("de", "fr", "ja"), "debian.jsonl", "search", 1)


def _passage(record: dict[str, Any]) -> Passage:
    return Passage(record["id"], record["text"], record.get("title") or "", record.get("language", OWN_LANGUAGE))


def _lines(path: Path) -> list[dict[str, Any]]:
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in text.decode("utf-8").splitlines()]


def _generate(task: Task, path: Path, quiet: bool) -> None:
    from xqg.assembly import build_generator

    settings = GeneratorSettings(
        languages=task.targets, queries_per_language=task.texts_per_language, style=task.style, own_language=True
    )
    generator = build_generator(settings, LanguageDetector())
    requests = [
        (passage, (*task.targets, OWN_LANGUAGE) if row < SAMPLE else task.targets)
        for row, passage in enumerate(task.passages)
    ]
    with count_display(quiet, f"{task.name}: passages generated for") as show:
        write_texts(path, generator, requests, show)
