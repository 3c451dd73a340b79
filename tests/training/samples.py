"""Data and settings of tiny training runs."""

import json
from pathlib import Path

from tests.models import make_gemma, make_mt5, make_tokenizer, save_model
from xqg.training.training_settings import TrainingSettings

SUBJECTS = ("bridge", "mill", "harbour", "tower", "canal", "market", "school", "well", "gate", "garden")
QUESTIONS = {"en": "When was the {} built?", "fr": "Quand {} ?", "de": "Wann wurde {} gebaut?"}


def pair_lines(passages: int = 10, repeats: int = 2) -> list[dict]:
    """Six pairs a passage: two in each of three languages."""
    return [
        {
            "title": SUBJECTS[number],
            "text": f"The old {SUBJECTS[number]} was built in {1700 + number} by the council.",
            "language": language,
            "query": question.format(SUBJECTS[number]) + "?" * repeat,
        }
        for number in range(passages)
        for language, question in QUESTIONS.items()
        for repeat in range(repeats)
    ]


def write_lines(path: Path, lines: list) -> Path:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return path


def save_gemma(folder: Path) -> Path:
    tokenizer = make_tokenizer()
    return save_model(folder, make_gemma(len(tokenizer)), tokenizer)


def save_mt5(folder: Path) -> Path:
    tokenizer = make_tokenizer()
    return save_model(folder, make_mt5(len(tokenizer)), tokenizer)


def tiny_settings(folder: Path, base: Path, **options) -> TrainingSettings:
    """Three steps on sixty pairs."""
    data = folder / "pairs.jsonl"
    if not data.exists():
        write_lines(data, pair_lines())
    values = {"data": [str(data)], "base": str(base), "out": folder / "out", "max_steps": 3, "rank": 4, "alpha": 4}
    values |= {"accumulation": 1, "evaluations": 1, "bf16": "off", "device": "cpu"}
    return TrainingSettings(**(values | options))
