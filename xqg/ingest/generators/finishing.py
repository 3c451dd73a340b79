"""What all generators do with the outputs of their models: clean them and count what was dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from xqg.ingest.cleaning import LanguageCheck, clean_queries
from xqg.protocols import Generation
from xqg.records import GeneratedQuery, Passage


@dataclass(frozen=True)
class Output:
    """The raw texts a model wrote for one passage in one language."""

    passage: Passage
    language: str
    texts: tuple[str, ...]


def finish_outputs(
    outputs: Sequence[Output], targets: Sequence[str], detector: LanguageCheck, marks: Sequence[str], limit: int
) -> Generation:
    """The queries fit to be stored, in the order of the outputs, at most ``limit`` for each of them.

    :param targets: the languages of the whole run: what an output could be in by mistake must not depend on which
        languages one call asks for.
    """
    queries: list[GeneratedQuery] = []
    dropped: Counter[str] = Counter()
    for output in outputs:
        rivals = (output.passage.language, *targets)
        cleaned = clean_queries(output.texts, output.passage, output.language, rivals, detector, marks)
        dropped.update(cleaned.dropped)
        queries += [GeneratedQuery(output.passage.id, output.language, text) for text in cleaned.texts[:limit]]
    return Generation(tuple(queries), dict(dropped))
