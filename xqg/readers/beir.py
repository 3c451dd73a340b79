"""The other files of a BEIR folder: questions, and judgements (which TREC writes with one column more)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xqg.identifiers import canonical
from xqg.languages import names_no_language
from xqg.languages import told_language as known_code
from xqg.layouts import LANGUAGE_KEYS
from xqg.readers.lines import read_lines
from xqg.records import Reject

_RELEVANCE = re.compile(r"-?[0-9]{1,9}(\.0+)?")


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
        if line.fault is None and len(parts) in (3, 4) and _RELEVANCE.fullmatch(parts[-1]):
            yield Judgement(canonical(parts[0]), canonical(parts[-2]), int(float(parts[-1])), line.number)
        elif line.fault is not None or (any(parts) and line.number > 1):  # the first line may be a header
            yield Reject(str(path), line.number, line.fault or "no judgement: QUERY PASSAGE SCORE", line.raw)


def told_language(record: Mapping[str, Any]) -> Any:
    """The language that a record names, itself or in its metadata: an ISO 639-1 code, or as it is where it is none.

    None if it names none.
    """
    own = record.get("metadata")
    places = [record, own] if isinstance(own, dict) else [record]
    tags = [place[key] for place in places for key in LANGUAGE_KEYS if not names_no_language(place.get(key))]
    return next((code for tag in tags if (code := known_code(tag)) is not None), next(iter(tags), None))
