"""The other files of a BEIR folder: questions, and judgements (which TREC writes with one column more)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xqg.ingest.readers.lines import read_lines
from xqg.records import Reject


@dataclass(frozen=True)
class Judgement:
    """How relevant a passage is for a question: 0 is not, more is more; ``line`` counts from 1."""

    query_id: str
    passage_id: str
    relevance: int
    line: int


def find_file(folder: Path, name: str) -> Path | None:
    """The file, or the same with ``.gz``; None if there is neither."""
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def judgement_files(folder: Path, split: str) -> list[Path]:
    """The file in ``qrels`` for this split, else all of them."""
    files = sorted((folder / "qrels").glob("*.tsv"))
    return [path for path in files if path.stem == split] or files


def read_judgements(path: Path) -> Iterator[Judgement | Reject]:
    """The judgements of a file: BEIR's three columns (query, passage, score) or TREC's four (query, 0, passage, score).

    :raises InputError: if the file cannot be opened.
    """
    for line in read_lines(str(path)):
        parts = [part.strip() for part in line.raw.split("\t")] if "\t" in line.raw else line.raw.split()
        if line.fault is None and len(parts) in (3, 4) and parts[-1].lstrip("-").isdigit():
            yield Judgement(parts[0], parts[-2], int(parts[-1]), line.number)
        elif line.fault is not None or (any(parts) and line.number > 1):  # the first line may be a header
            yield Reject(str(path), line.number, line.fault or "no judgement: QUERY PASSAGE SCORE", line.raw)


def told_language(record: Mapping[str, Any]) -> Any:
    """The language that a BEIR record names, itself or in its metadata; None if it names none."""
    own = record.get("metadata")
    return record.get("language") or (own.get("language") if isinstance(own, dict) else None)
