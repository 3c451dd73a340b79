"""Measures how many queries a second the bundled generator writes: shared prefixes against plain ``generate()``.

    python benchmarks/generation.py --json generation.json

All sample from the same model with the same prompts, top-k and stop tokens, in the same process and after a warm-up,
in rounds that take turns. Plain ``generate()`` is given the prompts padded to batches. Cleaning is not part of it. On a
machine that others use too, look at the core seconds: they count only the time that this process had.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from xqg.tuning import tune_process

tune_process()  # as the command line does, for plain generate() too; before torch is loaded

import torch
from rich.console import Console
from rich.table import Table

from xqg.generators.causal import BundledGenerator
from xqg.generators.decoding.decoder import Prompt, until_stop
from xqg.generators.decoding.shared_prefix import SharedPrefixDecoder
from xqg.languages import LanguageDetector
from xqg.models import quiet
from xqg.records import Passage
from xqg.settings import GeneratorSettings

CORPUS = Path(__file__).parent.parent / "xqg" / "sample" / "corpus.jsonl"


def read_passages(path: Path, count: int) -> list[Passage]:
    with path.open(encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines][:count]
    return [Passage(id=str(record["id"]), title=record.get("title", ""), text=record["text"]) for record in records]


def make_prompts(generator: BundledGenerator, passages: Sequence[Passage]) -> list[Prompt]:
    return [
        Prompt(generator._tokens(cut, language), number, generator._seeds(passage, language))
        for number, passage in enumerate(passages)
        for cut in [generator._cut(passage)]
        for language in generator._settings.languages
    ]


def decode_plainly(generator: BundledGenerator, model: Any, prompts: Sequence[Prompt], rows: int) -> list[list[int]]:
    """What one would write without this package: left-padded batches and ``generate()``."""
    settings, limits = generator._settings, generator._decoder._limits
    tokenizer = generator._tokenizer
    tokenizer.padding_side = "left"
    size = max(1, rows // settings.queries_per_language)
    written: list[list[int]] = []
    for start in range(0, len(prompts), size):
        batch = [list(prompt.tokens) for prompt in prompts[start : start + size]]
        inputs = tokenizer.pad({"input_ids": batch}, return_tensors="pt").to(model.device)
        with torch.inference_mode(), quiet():
            output = model.generate(
                **inputs,
                do_sample=True,
                top_k=limits.top_k,
                temperature=limits.temperature,
                num_return_sequences=settings.queries_per_language,
                max_new_tokens=limits.max_new_tokens,
                eos_token_id=sorted(limits.stops),
            )
        written += [until_stop(row, limits.stops) for row in output[:, inputs["input_ids"].shape[1] :].tolist()]
    return written


def measure(name: str, prompts: Sequence[Prompt], decode: Callable[[], list[list[int]]]) -> dict[str, Any]:
    start, used = time.perf_counter(), time.process_time()
    written = decode()
    seconds, used = time.perf_counter() - start, time.process_time() - used
    return {
        "decoder": name,
        "prompts": len(prompts),
        "prompt_tokens_mean": sum(len(prompt.tokens) for prompt in prompts) / len(prompts),
        "queries": len(written),
        "tokens_per_query": sum(len(row) for row in written) / len(written),
        "seconds": seconds,
        "queries_per_second": len(written) / seconds,
        "core_seconds_per_query": used / len(written),
    }


def median(rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The round in the middle by speed, with the speeds of all."""
    ordered = sorted(rounds, key=lambda one: float(one["queries_per_second"]))
    return {**ordered[len(ordered) // 2], "rounds": [one["queries_per_second"] for one in rounds]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=CORPUS, help="passages, as JSON Lines")
    parser.add_argument(
        "--passages", type=int, default=32, help="passages for shared prefixes; a job of ingestion takes 32 at once"
    )
    parser.add_argument("--plain-passages", type=int, default=2, help="passages for the others, which are slower")
    parser.add_argument("--plain-rows", type=int, default=48, help="queries that plain generate() writes at once")
    parser.add_argument("--rounds", type=int, default=3, help="the median of so many is reported")
    parser.add_argument("--languages", default="ar,de,es,fr,hi,ja,ru")
    parser.add_argument("--queries", type=int, default=5, help="queries for each passage and language")
    parser.add_argument("--rows", type=int, default=640, help="queries written at once")
    parser.add_argument("--json", type=Path, help="write the numbers here")
    options = parser.parse_args()
    settings = GeneratorSettings(
        languages=tuple(options.languages.split(",")), queries_per_language=options.queries, batch_rows=options.rows
    )
    generator = BundledGenerator(settings, LanguageDetector())
    decoder = generator._decoder
    model = decoder._model
    passages = read_passages(options.corpus, options.passages)
    prompts = make_prompts(generator, passages)
    by_length = sorted(passages, key=lambda passage: len(generator._tokens(passage, "de")))
    first = (len(passages) - options.plain_passages) // 2
    few = make_prompts(generator, by_length[first:][: options.plain_passages])  # of the middle in length
    limits, prefix = decoder._limits, decoder._prefix
    usual = SharedPrefixDecoder(model, limits, prefix)
    decoders = {
        "shared prefixes": (prompts, lambda: [row for rows in decoder.decode(prompts) for row in rows]),
        "the same, torch's own attention": (few, lambda: [row for rows in usual.decode(few) for row in rows]),
        "plain generate()": (few, lambda: decode_plainly(generator, model, few, options.plain_rows)),
    }
    decoder.decode(prompts[: len(prompts) // 2])  # warms up
    usual.decode(few[:1])
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in decoders}
    for _ in range(options.rounds):
        for name, (given, decode) in decoders.items():
            rounds[name].append(measure(name, given, decode))
    results = [median(found) for found in rounds.values()]
    report = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "dtype": str(model.dtype),
        "device": str(model.device),
        "machine": platform.machine(),
        "languages": len(settings.languages),
        "rows": settings.batch_rows,
        "plain_rows": options.plain_rows,
        "results": results,
        "ratio": results[0]["queries_per_second"] / results[-1]["queries_per_second"],
        "ratio_core_seconds": results[-1]["core_seconds_per_query"] / results[0]["core_seconds_per_query"],
    }
    table = Table(
        title=f"{report['dtype']}, {report['threads']} threads, {options.rows} and {options.plain_rows} queries at once"
    )
    for column in ("decoder", "queries", "tokens a query", "seconds", "queries/s", "core ms a query"):
        table.add_column(column, justify="left" if column == "decoder" else "right")
    for result in results:
        table.add_row(
            result["decoder"],
            str(result["queries"]),
            f"{result['tokens_per_query']:.1f}",
            f"{result['seconds']:.1f}",
            f"{result['queries_per_second']:.2f}",
            f"{1000 * result['core_seconds_per_query']:.0f}",
        )
    Console().print(table, f"{report['ratio']:.1f} times as fast, by core seconds {report['ratio_core_seconds']:.1f}")
    if options.json is not None:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
