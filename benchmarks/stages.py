"""Times every stage of an ingestion, a second run, search, and the encoder: prints tables and writes JSON.

Ratios are measured side by side in one run, since absolute times on a shared machine say little.

    python benchmarks/stages.py [--corpus FILE] [--passages 120] [--generator bundled] [--json stages.json]
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from xqg import IngestSettings, SearchSettings, open_ingestion, open_searcher
from xqg.console import print_table
from xqg.encoders.bundled import BundledEncoder
from xqg.ingest.ingest_report import IngestReport
from xqg.records import Passage

SAMPLE = files("xqg") / "sample"
ROUNDS = 5


def main() -> None:
    options = parse_options()
    with TemporaryDirectory() as scratch:
        corpus = take_passages(options.corpus, options.passages, Path(scratch))
        result = {
            "ingestion": measure_ingestion(corpus, Path(scratch), options),
            "search": measure_search(Path(scratch)),
            "encoder": measure_encoder(corpus),
            "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        }
    show(result)
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=1), encoding="utf-8")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=None, help="JSONL; default: the sample")
    parser.add_argument("--passages", type=int, default=120)
    parser.add_argument("--generator", default="bundled")
    parser.add_argument("--languages", default="fr,ja,ar")
    parser.add_argument("--queries-per-language", type=int, default=2)
    parser.add_argument("--json", type=Path, default=None)
    return parser.parse_args()


def take_passages(corpus: Path | None, count: int, scratch: Path) -> Path:
    text = (SAMPLE / "corpus.jsonl").read_text(encoding="utf-8") if corpus is None else corpus.read_text("utf-8")
    taken = scratch / "corpus.jsonl"
    taken.write_text("\n".join(text.splitlines()[:count]) + "\n", encoding="utf-8")
    return taken


def measure_ingestion(corpus: Path, scratch: Path, options: argparse.Namespace) -> dict[str, Any]:
    generator = {"spec": options.generator, "queries_per_language": options.queries_per_language}
    if not options.generator.startswith("file:"):
        generator["languages"] = tuple(options.languages.split(","))
    runs = {"plain": {"fusion": {"rule": "plain"}}, "views": {}, "views of queries": {"generator": generator}}
    measured = {}
    for name, options_of_run in runs.items():
        settings = {"store": {"spec": f"edge:{scratch}", "collection": name}, **options_of_run}
        measured[name] = ingest(corpus, settings)
        measured[f"{name}, again"] = ingest(corpus, settings)
    return measured


def ingest(corpus: Path, settings: dict[str, Any]) -> dict[str, Any]:
    start = time.perf_counter()
    with open_ingestion(IngestSettings.model_validate(settings)) as job:
        report: IngestReport = job.run([str(corpus)])
    return {**report.to_json(), "total": round(time.perf_counter() - start, 3)}


def measure_search(scratch: Path) -> dict[str, float]:
    """Milliseconds a query on two of the collections, in turn."""
    lines = (SAMPLE / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    queries = [json.loads(line)["query"] for line in lines][:60]
    times: dict[str, list[float]] = {"plain": [], "views": []}
    searchers = {
        name: open_searcher(SearchSettings.model_validate({"store": {"spec": f"edge:{scratch}", "collection": name}}))
        for name in times
    }
    with closing(searchers["plain"]), closing(searchers["views"]):
        for _ in range(ROUNDS):
            for name, searcher in searchers.items():
                times[name].append(timed(lambda s=searcher: [s.search(query) for query in queries]) / len(queries))
    medians = {name: round(1000 * statistics.median(values), 2) for name, values in times.items()}
    ratios = [views / plain for plain, views in zip(times["plain"], times["views"], strict=True)]
    return {**medians, "ratio": round(statistics.median(ratios), 3)}


def measure_encoder(corpus: Path) -> dict[str, float]:
    """Passages a second: the engine's own batch against texts shared out over the cores, in turn."""
    lines = [json.loads(line) for line in corpus.read_text(encoding="utf-8").splitlines()[:64]]
    passages = [Passage(line["id"], line["text"], line.get("title", "")) for line in lines]
    texts = [passage.content for passage in passages]
    encoder = BundledEncoder()
    engine = encoder._model
    pairs = []
    for _ in range(3):
        together = timed(lambda: engine.passage(texts))
        shared = timed(lambda: encoder.encode_passages(passages))
        pairs.append((together, shared))
    return {
        "engine batch": round(len(texts) / statistics.median(pair[0] for pair in pairs), 1),
        "shared out": round(len(texts) / statistics.median(pair[1] for pair in pairs), 1),
        "ratio": round(statistics.median(pair[0] / pair[1] for pair in pairs), 2),
    }


def timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def show(result: dict[str, Any]) -> None:
    stages = list(next(iter(result["ingestion"].values()))["seconds"])
    rows = []
    for name, run in result["ingestion"].items():
        rows.append([name, *(f"{run['seconds'][stage]:.2f}" for stage in stages), f"{run['total']:.2f}"])
    print_table("Seconds by stage (the total holds the loading of models)", ["run", *stages, "total"], rows)
    search, encoder = result["search"], result["encoder"]
    print_table("Search, ms a query", ["plain", "views", "ratio"], [[str(value) for value in search.values()]])
    print_table("Bundled encoder, passages/s", list(encoder), [[str(value) for value in encoder.values()]])
    print(f"peak memory {result['peak_memory_mib']} MiB")


if __name__ == "__main__":
    main()
