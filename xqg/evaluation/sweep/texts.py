"""Generated texts for a sweep: made once and written to a file, or read from it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from xqg.evaluation.sweep.vectors import Progress
from xqg.generators.file import FileGenerator
from xqg.ingest.failures import tell_left_over
from xqg.protocols import QueryGenerator
from xqg.records import GeneratedQuery, Passage
from xqg.settings import GeneratorSettings

BATCH_SIZE = 32
LIMIT = 100


def read_texts(path: Path, passages: Sequence[Passage]) -> list[GeneratedQuery]:
    """What the file holds for these passages, by passage and language; the file is that of ``--generator file:``.

    :raises InputError: if it cannot be read.
    """
    generator = FileGenerator(GeneratorSettings(spec=f"file:{path}", queries_per_language=LIMIT))
    languages = generator.languages()
    generator.meet(passages)
    tell_left_over(generator)
    return list(generator.generate([(passage, languages) for passage in passages]).queries)


def write_texts(
    path: Path,
    generator: QueryGenerator,
    requests: Sequence[tuple[Passage, Sequence[str]]],
    progress: Progress = lambda done, total: None,
) -> None:
    """Generate for each passage in its languages and write the file that `read_texts` reads.

    :raises GenerationError: if the generator fails; nothing is left behind then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".draft")
    try:
        with draft.open("w", encoding="utf-8") as file:
            for start in range(0, len(requests), BATCH_SIZE):
                for query in generator.generate(requests[start : start + BATCH_SIZE]).queries:
                    record = {"passage_id": query.passage_id, "language": query.language, "query": query.text}
                    file.write(json.dumps(record, ensure_ascii=False) + "\n")
                progress(min(start + BATCH_SIZE, len(requests)), len(requests))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
