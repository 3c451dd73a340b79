"""How long the bundled generator takes to start from its cache: fresh processes, up to the moment it can write.

python benchmarks/start.py [--rounds 5] [--json start.json]

Each process does what `xqg` does, and tells how long its steps took; the first one, which may convert the model and
fills the system's page cache, is not counted.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from xqg.console import print_table

CHILD = "--child"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, default=None)
    parser.add_argument(CHILD, type=float, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        print(json.dumps(start(options.child)))
        return
    runs = [run() for _ in range(options.rounds + 1)][1:]
    print_table(
        f"Start of the bundled generator, {options.rounds} processes",
        ["step", "median s", "least", "most"],
        [
            [step, *(f"{of([run[step] for run in runs]):.2f}" for of in (median, min, max))]  # type: ignore[operator]
            for step in runs[0]
        ],
    )
    if options.json is not None:
        options.json.write_text(json.dumps(runs), encoding="utf-8")


def run() -> dict[str, float]:
    """Seconds of each step in a process of its own, and of all of them, the start of Python included."""
    command = [sys.executable, "-m", "benchmarks.start", CHILD, str(time.time())]
    told = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parent.parent)
    steps: dict[str, float] = json.loads(told.stdout.splitlines()[-1])
    return steps


def start(called: float) -> dict[str, float]:
    """Seconds of each step, of which the first begins when the process was ``called`` for."""
    times = [called]
    from xqg.tuning import tune_process

    tune_process()
    from xqg.assembly import build_generator
    from xqg.generators.causal import BundledGenerator
    from xqg.languages import LanguageDetector
    from xqg.settings import GeneratorSettings

    generator = build_generator(GeneratorSettings(languages=("fr",)), LanguageDetector())
    assert isinstance(generator, BundledGenerator)
    times.append(time.time())
    _ = generator._tokenizer
    times.append(time.time())
    import transformers.models.gemma3.modeling_gemma3  # noqa: F401

    times.append(time.time())
    _ = generator._decoder
    times.append(time.time())
    names = ("Python, torch, transformers", "tokenizer", "import of the model", "weights, adapter, trial")
    steps = {name: after - before for name, before, after in zip(names, times, times[1:], strict=False)}
    return {**steps, "ready": times[-1] - called}


if __name__ == "__main__":
    main()
