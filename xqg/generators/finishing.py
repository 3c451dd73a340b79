"""What all generators do with the outputs of their models: clean them and count what was dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from xqg.generators.cleaning import MALFORMED, LanguageCheck, clean_queries, trim_output, trim_passage
from xqg.generators.thoughts import without_thoughts
from xqg.protocols import Generation
from xqg.records import GeneratedQuery, Passage
from xqg.settings import GeneratorSettings


@dataclass(frozen=True)
class Output:
    """The raw texts a model wrote for one passage in one language."""

    passage: Passage
    language: str
    texts: tuple[str, ...]


def join_generations(parts: Sequence[Generation]) -> Generation:
    """Several outcomes as one, in their order."""
    dropped: Counter[str] = Counter()
    for part in parts:
        dropped.update(part.dropped)
    return Generation(
        tuple(query for part in parts for query in part.queries),
        dict(dropped),
        tuple(translation for part in parts for translation in part.translations),
        tuple(failure for part in parts for failure in part.failures),
    )


def finish_outputs(
    outputs: Sequence[Output], settings: GeneratorSettings, detector: LanguageCheck, marks: Sequence[str]
) -> Generation:
    """The texts fit to be stored, in the order of the outputs, at most as many for each as were asked for.

    What an output could be in by mistake are all languages of the run: it must not depend on which one call asks for.
    """
    trim = trim_output if settings.augment_with == "queries" else trim_passage
    queries: list[GeneratedQuery] = []
    dropped: Counter[str] = Counter()
    for output in outputs:
        rivals = (output.passage.language, *settings.languages)
        texts = [text for text, thinks_on in map(without_thoughts, output.texts) if not thinks_on]
        dropped.update({MALFORMED: len(output.texts) - len(texts)} if len(texts) < len(output.texts) else {})
        cleaned = clean_queries(texts, output.passage, output.language, rivals, detector, marks, trim)
        dropped.update(cleaned.dropped)
        queries += [
            GeneratedQuery(output.passage.id, output.language, text)
            for text in cleaned.texts[: settings.queries_per_language]
        ]
    return Generation(tuple(queries), dict(dropped))
