"""The pools that everything is measured on, from raw files: passages, and questions with the passage each asks for.

    python benchmarks/pools.py [--data ../shared/data] [--out FOLDER] [NAME ...]

Prints the counts of each pool; with --out it writes NAME.passages.jsonl and NAME.queries.jsonl, as `xqg ingest` and
`xqg evaluate` read them. Passages are whole texts, not chunked; a mixed pool has each passage in one language, by lot.

| pool | passages | questions | languages of the questions |
|---|---|---|---|
| mlqa | 978 English | 4,199 | ar de en es hi vi zh |
| mlqa-mixed | 994 in 7 languages, 271 of them English | 4,199 | the same |
| xquad | 160 English | 2,328 on articles 24-31 | ar de el en es hi ro ru th tr vi zh |
| xquad-mixed | 160 in 12 languages | 2,328 | the same |
| xquad-24-31 | 40 English: articles 24-31 alone | 2,328 | the same |
| xquad-24-31-mixed | 40 in 12 languages | 2,328 | the same |
| gnome | 296 English | 5,978 | de el en es fr it ja ko pl pt ru vi zh |
| debian | 10,000 English | 5,164 | cs da de es fi fr it ja ko pl pt ru uk zh |
| debian-1500 | 1,500 of them | 4,333 | the same |
| sample | 120 English | 456 | ar de en es fr hi it ja ko pt ru th tr vi zh |

Debian's pools exist in three kinds each: with the title beside the text, with it as the text's first line
(debian-headed), and with neither (debian-untitled).
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from xqg.console import print_table
from xqg.evaluation.datasets.dataset import ReadingOptions
from xqg.evaluation.datasets.formats import read_dataset
from xqg.evaluation.datasets.pools import MIXED, PASSAGES, QUERIES, write_pool
from xqg.evaluation.queries import LabelledQuery, read_queries
from xqg.languages import language_code
from xqg.records import Passage

DATA = Path("../shared/data")
SAMPLE = Path(__file__).parent.parent / "xqg" / "sample"
OWN_LANGUAGE = "en"
XQUAD_ARTICLES = (24, 31)
"""The bundled generator was trained on the others."""
GNOME_LANGUAGES = ("de", "el", "en", "es", "fr", "it", "ja", "ko", "pl", "pt", "ru", "vi", "zh_CN")
"""As GNOME writes them; Brazilian Portuguese (pt_BR) is not among them. Each has at least 100 descriptions."""
DEBIAN_PASSAGES, DEBIAN_SUBSET = 10_000, 1_500


@dataclass(frozen=True)
class Pool:
    """Passages and the questions asked of them; every question's label is among the passages."""

    name: str
    passages: tuple[Passage, ...]
    queries: tuple[LabelledQuery, ...]

    def passage_counts(self) -> Counter[str]:
        """Passages by language."""
        return Counter(passage.language for passage in self.passages)

    def query_counts(self) -> Counter[str]:
        """Questions by language."""
        return Counter(query.language for query in self.queries)


def read_pool(name: str, data: Path = DATA) -> Pool:
    """The pool of this name, one of `POOLS`.

    :raises KeyError: if there is none. :raises XqgError: if its data cannot be read.
    """
    passages, queries = POOLS[name](data)
    return _checked(Pool(name, tuple(passages), tuple(queries)))


def write_files(pool: Pool, folder: Path) -> None:
    """Write both files of the pool, a line for each passage and question."""
    folder.mkdir(parents=True, exist_ok=True)
    passages = [
        {"id": passage.id, "title": passage.title, "text": passage.text, "language": passage.language}
        for passage in pool.passages
    ]
    queries = [
        {"id": query.id, "language": query.language, "query": query.text, "passage_id": next(iter(query.relevant))}
        for query in pool.queries
    ]
    for kind, records in (("passages", passages), ("queries", queries)):
        lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        (folder / f"{pool.name}.{kind}.jsonl").write_text(lines, encoding="utf-8")


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The records of a JSON Lines file, gzipped or not."""
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in text.decode("utf-8").splitlines()]


def to_passage(record: dict[str, Any]) -> Passage:
    return Passage(record["id"], record["text"], record.get("title") or "", record.get("language", OWN_LANGUAGE))


def to_query(record: dict[str, Any]) -> LabelledQuery:
    return LabelledQuery(record["id"], language_code(record["language"]), record["query"], {record["passage_id"]: 1})


Parts = tuple[Iterable[Passage], Iterable[LabelledQuery]]


def read_squad_pool(folder: Path, pool: str, articles: tuple[int, int] | None = None) -> Parts:
    """A pool as `xqg dataset` writes it: of one language or mixed."""
    with TemporaryDirectory() as scratch:
        out = Path(scratch)
        write_pool(read_dataset(folder, "squad", ReadingOptions(articles)), pool, out)
        return [to_passage(record) for record in read_lines(out / PASSAGES)], read_queries(out / QUERIES).queries


def article_passages(data: Path, first: int, last: int) -> set[str]:
    """The ids of XQuAD's passages in these articles."""
    found = read_dataset(data / "xquad", "squad", ReadingOptions((first, last))).passages
    return {passage.id for parallel in found for own in parallel.versions.values() for passage in own}


def _mlqa(pool: str, data: Path) -> Parts:
    return read_squad_pool(data / "mlqa", pool)


def _xquad(pool: str, whole: bool, data: Path) -> Parts:
    """Articles 24-31 are asked about, among the passages of all of them (``whole``) or among their own."""
    if not whole:
        return read_squad_pool(data / "xquad", pool, XQUAD_ARTICLES)
    passages, queries = read_squad_pool(data / "xquad", pool)
    asked = article_passages(data, *XQUAD_ARTICLES)
    return passages, [query for query in queries if asked & set(query.relevant)]


def read_xquad_parallel(
    data: Path, first: int, languages: Sequence[str]
) -> tuple[list[Passage], list[LabelledQuery], dict[str, dict[str, str]]]:
    """English paragraphs from article ``first`` on, questions in English and ``languages``, and people's translations
    of each paragraph by language.
    """
    articles = {}
    for code in ("en", *languages):
        with gzip.open(data / "xquad" / f"xquad.{code}.json.gz", "rt", encoding="utf-8") as file:
            articles[code] = json.load(file)["data"][first:]
    passages, queries, paragraphs = [], [], {}
    for code, found in articles.items():
        for number, article in enumerate(found):
            for place, paragraph in enumerate(article["paragraphs"]):
                key = f"{number}-{place}"
                paragraphs.setdefault(key, {})[code] = paragraph["context"]
                if code == "en":
                    passages.append(Passage(key, paragraph["context"], article["title"].replace("_", " "), "en"))
                for asked in paragraph["qas"]:
                    queries.append(LabelledQuery(f"{asked['id']}-{code}", code, asked["question"], {key: 1}))
    return passages, queries, paragraphs


def _gnome(data: Path) -> Parts:
    """Whole help pages, asked for by their translated titles and descriptions: a sentence on what they are about."""
    records = read_lines(data / "gnome-help" / "queries.jsonl.gz")
    chosen = [record for record in records if record["language"] in GNOME_LANGUAGES]
    return map(to_passage, read_lines(data / "gnome-help" / "passages.jsonl.gz")), map(to_query, chosen)


def _sample(data: Path) -> Parts:
    return map(to_passage, read_lines(SAMPLE / "corpus.jsonl")), map(to_query, read_lines(SAMPLE / "questions.jsonl"))


def _debian(size: int, change: Callable[[Passage], Passage], data: Path) -> Parts:
    """Packages drawn with a seed, those that a question asks for first; so the smaller pool is a part of the larger."""
    by_id: dict[str, Passage] = {}
    for record in read_lines(data / "debian" / "passages.jsonl.gz"):
        by_id.setdefault(record["id"], to_passage(record))  # six packages are in it several times
    queries = [to_query(record) for record in read_lines(data / "debian" / "queries.dev.jsonl.gz")]
    asked = {key for query in queries for key in query.relevant}
    lot = random.Random(0)
    others = sorted(by_id.keys() - asked)
    lot.shuffle(others)
    order = sorted(asked | set(others[: DEBIAN_PASSAGES - len(asked)]))
    lot.shuffle(order)
    chosen = order if size == DEBIAN_PASSAGES else [key for key in order if key in asked][:size]
    kept = set(chosen)
    return [change(by_id[key]) for key in chosen], [query for query in queries if kept & set(query.relevant)]


def _titled(passage: Passage) -> Passage:
    return passage


def _headed(passage: Passage) -> Passage:
    return replace(passage, title="", text=f"{passage.title}\n{passage.text}")


def _untitled(passage: Passage) -> Passage:
    return replace(passage, title="")


def _checked(pool: Pool) -> Pool:
    """:raises ValueError: if an id is used twice or a label names no passage."""
    ids = {passage.id for passage in pool.passages}
    asked = {key for query in pool.queries for key in query.relevant}
    if len(ids) < len(pool.passages) or len({query.id for query in pool.queries}) < len(pool.queries):
        raise ValueError(f"{pool.name}: an id is used twice")
    if asked - ids:
        raise ValueError(f"{pool.name}: no passage {min(asked - ids)!r}")
    return pool


POOLS: dict[str, Callable[[Path], Parts]] = {
    "mlqa": partial(_mlqa, OWN_LANGUAGE),
    "mlqa-mixed": partial(_mlqa, MIXED),
    "xquad": partial(_xquad, OWN_LANGUAGE, True),
    "xquad-mixed": partial(_xquad, MIXED, True),
    "xquad-24-31": partial(_xquad, OWN_LANGUAGE, False),
    "xquad-24-31-mixed": partial(_xquad, MIXED, False),
    "gnome": _gnome,
    "sample": _sample,
    "debian": partial(_debian, DEBIAN_PASSAGES, _titled),
    "debian-headed": partial(_debian, DEBIAN_PASSAGES, _headed),
    "debian-untitled": partial(_debian, DEBIAN_PASSAGES, _untitled),
    "debian-1500": partial(_debian, DEBIAN_SUBSET, _titled),
    "debian-1500-headed": partial(_debian, DEBIAN_SUBSET, _headed),
    "debian-1500-untitled": partial(_debian, DEBIAN_SUBSET, _untitled),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in POOLS]:
        parser.error(f"there is no pool {unknown[0]!r}; there are {', '.join(POOLS)}")
    rows = []
    for name in options.names or POOLS:
        pool = read_pool(name, options.data)
        if options.out is not None:
            write_files(pool, options.out)
        sizes = str(len(pool.passages)), str(len(pool.queries))
        rows.append([name, sizes[0], _told(pool.passage_counts()), sizes[1], _told(pool.query_counts())])
    print_table("Pools", ["pool", "passages", "in", "questions", "in"], rows)


def _told(counts: Counter[str]) -> str:
    return " ".join(f"{code} {count}" for code, count in sorted(counts.items()))


if __name__ == "__main__":
    main()
