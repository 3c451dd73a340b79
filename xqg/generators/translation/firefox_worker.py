"""A process that translates: reads the models as one line of JSON, then a text a line, and answers each with a line.

Run as a script of its own, so it needs nothing of xqg.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def load(model: dict[str, Any]) -> Any:
    """The engine with one model. :raises ValueError: if the model is damaged."""
    from fxtranslate import Translator

    parts = {name: Path(path).read_bytes() for name, path in model.items() if path is not None}
    vocabularies = parts["source_vocabulary"], parts["target_vocabulary"]
    return Translator(parts["weights"], *vocabularies, *([parts["shortlist"]] if "shortlist" in parts else []))


def main() -> None:
    sys.stdin.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    engines = [load(model) for model in json.loads(sys.stdin.readline())]
    for line in sys.stdin:
        text = str(json.loads(line))
        for engine in engines:
            text = engine.translate(text)
        sys.stdout.write(json.dumps(text) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
