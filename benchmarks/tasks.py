"""The retrieval tasks of the benchmarks, from raw files: pools, questions, generated queries and vectors.

XQuAD: 160 passages with the same questions in 12 languages, in a pool of English passages and in a mixed one (each
passage in one of the languages, by lot). Debian: 3,000 package descriptions, every one that a question asks for among
them, and people's short descriptions in the languages that have at least 50.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from pools import OWN_LANGUAGE, article_passages, read_lines, read_squad_pool, to_passage, to_query

from xqg.console import count_display
from xqg.datasets.pools import MIXED
from xqg.encoders.bundled import BundledEncoder
from xqg.evaluation.queries import LabelledQuery
from xqg.ingest.planning import asked_languages
from xqg.languages import LanguageDetector
from xqg.records import Passage
from xqg.settings import GeneratorSettings
from xqg.sweep.material import Material, gather
from xqg.sweep.texts import read_texts, write_texts
from xqg.sweep.vectors import VectorCache

DATA = Path("../shared/data")
DEBIAN_POOL = 3000
MINIMUM_QUERIES = 50


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


def read_tasks(data: Path, articles: tuple[int, int] | None = None) -> list[Task]:
    """All tasks.

    :param articles: first and last XQuAD article whose questions are asked, among the passages of all; None: all.
    """
    english, mixed = (_xquad(data, pool, articles) for pool in (OWN_LANGUAGE, MIXED))
    return [english, mixed, _debian(data)]


def load(task: Task, english: Task, folder: Path, quiet: bool = False) -> Material:
    """The task with its generated queries, made where the folder has none yet, and all vectors.

    :param english: the task whose passages are generated from: the mixed pool takes the queries of the English one.
    """
    path = folder / task.generated
    if not path.exists():
        _generate(english, path, quiet)
    with count_display(quiet, f"{task.name}: texts encoded") as show:
        cache = VectorCache(BundledEncoder(), folder, show)
        return gather(task.passages, {"queries": read_texts(path, task.passages)}, task.queries, cache, neutral=True)


def _xquad(data: Path, pool: str, articles: tuple[int, int] | None) -> Task:
    passages, queries = map(tuple, read_squad_pool(data / "xquad", pool))
    if articles is not None:
        asked = article_passages(data, *articles)
        queries = tuple(query for query in queries if asked & set(query.relevant))
    languages = sorted({query.language for query in queries})
    targets = tuple(code for code in languages if pool == MIXED or code != OWN_LANGUAGE)
    return Task(f"XQuAD, {pool} pool", passages, queries, targets, "xquad.jsonl", "question", 3)


def _debian(data: Path) -> Task:
    """The pool is drawn with a seed; its order is by lot too, so the first ones are a sample."""
    records = list(read_lines(data / "debian" / "passages.jsonl.gz"))
    asked = [to_query(record) for record in read_lines(data / "debian" / "queries.dev.jsonl.gz")]
    relevant = {key for query in asked for key in query.relevant}
    lot = random.Random(0)
    rest = [record["id"] for record in records if record["id"] not in relevant]
    lot.shuffle(rest)
    order = sorted(relevant | set(rest[: DEBIAN_POOL - len(relevant)]))
    lot.shuffle(order)
    by_id = {record["id"]: to_passage(record) for record in records}
    counts = Counter(query.language for query in asked)
    queries = tuple(query for query in asked if counts[query.language] >= MINIMUM_QUERIES)
    return Task("Debian", tuple(by_id[key] for key in order), queries, ("de", "fr", "ja"), "debian.jsonl", "search", 1)


def _generate(task: Task, path: Path, quiet: bool) -> None:
    from xqg.assembly import build_generator

    settings = GeneratorSettings(languages=task.targets, queries_per_language=task.texts_per_language, style=task.style)
    generator = build_generator(settings, LanguageDetector())
    requests = [(passage, asked_languages(passage, task.targets)) for passage in task.passages]
    with count_display(quiet, f"{task.name}: passages generated for") as show:
        write_texts(path, generator, requests, show)
