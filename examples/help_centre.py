"""The sample passages and their queries, for the scripts beside this file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from xqg.protocols import Generation
from xqg.records import GeneratedQuery, Passage

HERE = Path(__file__).parent
CORPUS, QUERIES = HERE / "corpus.jsonl", HERE / "queries.jsonl"


def read_lines(path: Path) -> list[dict[str, str]]:
    """The objects of a JSON Lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


class WrittenQueries:
    """A generator of one's own is four members; this one knows the queries of the sample by the text."""

    identity, metered = {"kind": "examples"}, False

    def languages(self) -> tuple[str, ...]:
        """Those of the sample."""
        return ("fr", "ja")

    def check(self) -> None:
        """Nothing to load."""

    def generate(self, requests: Sequence[tuple[Passage, Sequence[str]]]) -> Generation:
        """The queries of each passage in each of its languages."""
        ids = {line["text"]: line["id"] for line in read_lines(CORPUS)}
        return Generation(
            tuple(
                GeneratedQuery(passage.id, line["language"], line["query"])
                for passage, languages in requests
                for line in read_lines(QUERIES)
                if line["passage_id"] == ids.get(passage.text) and line["language"] in languages
            ),
            dropped={},
        )
