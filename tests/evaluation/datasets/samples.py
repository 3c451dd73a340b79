"""Small data sets in their published formats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

XOR_TYDI = [
    {"id": "7", "question": "何歳？", "lang": "ja", "answers": ["1889", "in 1889"], "split": "dev"},
    {"id": "8", "question": "Kuka?", "lang": "fi", "answers": ["yes"], "split": "dev"},
]


def squad(*paragraphs: tuple[str, dict[str, tuple[str, str]]], **extra: Any) -> dict[str, Any]:
    """Articles of one paragraph each; its questions by id, with their answers."""
    return {
        "data": [
            {
                "title": f"T_{number}",
                "paragraphs": [
                    {
                        "context": context,
                        "qas": [
                            {"id": key, "question": question, "answers": [{"text": answer}], **extra}
                            for key, (question, answer) in questions.items()
                        ],
                    }
                ],
            }
            for number, (context, questions) in enumerate(paragraphs)
        ]
    }


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def write_lines(path: Path, *records: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
