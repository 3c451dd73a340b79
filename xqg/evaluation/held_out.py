"""Held-out queries: generated for passages that two collections share, with a seed that neither was made with.

They replace people's questions where there are none. What a generator writes is easier than what people ask, and
nearer to the queries that the same generator wrote for the collection: expect less of people's questions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from xqg.errors import SettingsError, StoreError
from xqg.evaluation.queries import LabelledQuery
from xqg.generators.cleaning import comparable
from xqg.ingest.failures import FailureTally
from xqg.ingest.plan import asked_languages
from xqg.protocols import Collection, QueryGenerator, VectorStore
from xqg.records import GeneratedQuery, Passage, content_hash, digest

GENERATION_BATCH = 32
LOOK_UP_BATCH = 256


def choose_seed(asked: int | None, collections: Sequence[Collection]) -> int:
    """``asked``, or the seed after the highest one that the collections' own queries were generated with.

    :raises SettingsError: if ``asked`` was used: the queries would be those that are stored.
    """
    generators = [found.metadata["settings"].get("generator") or {} for found in collections]
    used = {int(generator["seed"]) for generator in generators if generator.get("seed") is not None}
    if asked is None:
        return max(used, default=-1) + 1
    if asked in used:
        raise SettingsError(
            f"The collection's queries were generated with the seed {asked}", "", "Choose another --seed"
        )
    return asked


def stored_languages(collections: Sequence[Collection]) -> tuple[str, ...]:
    """The target languages of the first collection that has some; () if none has."""
    languages = (tuple(found.metadata["settings"].get("languages") or ()) for found in collections)
    return next((found for found in languages if found), ())


def sample_passages(first: VectorStore, second: VectorStore, count: int, seed: int) -> list[Passage]:
    """At most ``count`` passages that both stores hold with the same content, drawn with the seed, by id.

    Which ones does not depend on the order in which a store gives its points. Reads every point of ``first`` once.

    :raises StoreError: if they share none.
    """
    keys = sorted((point.passage.id for point in first.points()), key=lambda key: digest([seed, key]))
    chosen = list(islice(_shared(first, second, keys), count))
    if not chosen:
        expected = "passages with the same id and content in both"
        raise StoreError("The two collections share no passage", expected, "Compare others")
    return sorted(chosen, key=lambda passage: passage.id)


def generate_queries(
    passages: Sequence[Passage],
    generator: QueryGenerator,
    languages: Sequence[str],
    own_language: bool,
    stores: Sequence[VectorStore],
    progress: Callable[[int], None] = lambda done: None,
) -> list[LabelledQuery]:
    """New queries for the passages, each with its own passage as the relevant one.

    :param own_language: also in a passage's own language.
    :param stores: a query that is fused into any of their passages is left out.
    :param progress: called after every batch with the number of passages done.
    :raises StoreError: if nothing new was generated. :raises GenerationError: if most requests failed.
    """
    generated: list[GeneratedQuery] = []
    tally = FailureTally()
    for start in range(0, len(passages), GENERATION_BATCH):
        batch = passages[start : start + GENERATION_BATCH]
        wanted = [(item, asked_languages(item, languages, own_language)) for item in batch]
        requests = [(item, codes) for item, codes in wanted if codes]
        if requests:
            generation = generator.generate(requests)
            generated += generation.queries
            tally.add(requests, generation)
        progress(start + len(batch))
    tally.finish()
    known = _fused(stores, {comparable(query.text) for query in generated})
    fresh = [query for query in generated if comparable(query.text) not in known]
    if not fresh:
        raise StoreError(
            f"None of {len(generated)} generated queries is new",
            "queries that are not stored already",
            "Choose another --seed or --generator, or give --queries",
        )
    return _labelled(fresh)


def _shared(first: VectorStore, second: VectorStore, keys: Sequence[str]) -> Iterator[Passage]:
    for start in range(0, len(keys), LOOK_UP_BATCH):
        batch = keys[start : start + LOOK_UP_BATCH]
        other = second.ledger(batch)
        for point in first.points([key for key in batch if key in other]):
            if content_hash(point.passage) == other[point.passage.id].content_hash:
                yield point.passage


def _fused(stores: Sequence[VectorStore], texts: set[str]) -> set[str]:
    """Those of the texts that are stored as a query of some passage."""
    return {
        comparable(query)
        for store in stores
        for point in store.points()
        for queries in point.entry.texts.queries.values()
        for query in queries
        if comparable(query) in texts
    }


def _labelled(queries: Sequence[GeneratedQuery]) -> list[LabelledQuery]:
    counts: Counter[tuple[str, str]] = Counter()
    labelled = []
    for query in queries:
        place = (query.passage_id, query.language)
        counts[place] += 1
        key = f"{query.passage_id}:{query.language}:{counts[place]}"
        labelled.append(LabelledQuery(key, query.language, query.text, {query.passage_id: 1}))
    return labelled
