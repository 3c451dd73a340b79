"""What a run would do and cost, told without storing anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from time import perf_counter
from typing import Any

from xqg.ingest.collection import OpenCollection
from xqg.ingest.failures import meet
from xqg.ingest.plan import Work, plan
from xqg.protocols import Encoder, QueryGenerator, VectorStore
from xqg.records import Passage, Reject

SAMPLE_PASSAGES = 4
"""Passages that are generated and encoded for real, to time this machine on them."""

CHARACTERS_PER_TOKEN = 4
"""Rule of thumb for English text in the tokenizers of large language models; only used for metered endpoints."""

PROMPT_TOKENS, QUERY_TOKENS = 60, 20
"""Tokens of the instruction around a passage, and of one generated query."""


@dataclass(frozen=True)
class Estimate:
    """The plan of a run: counts, and its cost in seconds (local models) or tokens (metered endpoints).

    ``seconds`` is None where a metered generator would have to be called to know. ``to_delete``: the ids of documents
    that the sources have no more.
    """

    read: int
    unchanged: int
    rejected: int
    to_store: int
    to_generate: int
    queries: int
    sampled: int
    seconds: float | None
    tokens_in: int | None
    tokens_out: int | None
    to_delete: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The shape of ``xqg ingest --dry-run --json``."""
        return {"dry_run": True, **self.__dict__}


def estimate(
    records: Iterable[Passage | Reject],
    generator: QueryGenerator | None,
    encoder: Encoder,
    store: VectorStore,
    opened: OpenCollection,
    queries_per_language: int,
    batch_size: int,
) -> Estimate:
    """Read everything, plan it, time a few passages for real (not on metered endpoints), store nothing."""
    read = rejected = to_store = to_generate = queries = characters = requests = 0
    sample: list[Work] = []
    stream = iter(records)
    while batch := list(islice(stream, batch_size)):
        passages = [record for record in batch if isinstance(record, Passage)]
        rejected += len(batch) - len(passages)
        read += len(passages)
        meet(generator, passages)
        known = {} if opened.fresh else store.ledger([passage.id for passage in passages])
        work = plan(passages, known, opened.target)
        to_store += len(work)
        sample += work[: SAMPLE_PASSAGES - len(sample)]
        for item in work:
            to_generate += bool(item.missing)
            requests += len(item.missing)
            queries += len(item.missing) * queries_per_language
            characters += len(item.passage.content) * len(item.missing)
    metered = generator is not None and generator.metered and requests > 0
    return Estimate(
        read=read,
        unchanged=read - to_store,
        rejected=rejected,
        to_store=to_store,
        to_generate=to_generate,
        queries=queries if generator is not None else 0,
        sampled=0 if metered else len(sample),
        seconds=None if metered else _seconds(sample, to_store, generator, encoder),
        tokens_in=requests * PROMPT_TOKENS + characters // CHARACTERS_PER_TOKEN if metered else None,
        tokens_out=queries * QUERY_TOKENS if metered else None,
    )


def _seconds(sample: Sequence[Work], to_store: int, generator: QueryGenerator | None, encoder: Encoder) -> float | None:
    """Seconds for ``to_store`` passages, from those of ``sample``; model loading is not counted."""
    if not sample:
        return 0.0
    encoder.encode_queries(["warm up"])
    to_generate = [(item.passage, item.missing) for item in sample if item.missing]
    if generator is not None and to_generate:
        generator.generate([(to_generate[0][0], to_generate[0][1][:1])])
    start = perf_counter()
    passages = [item.passage for item in sample]
    encoder.encode_passages(passages)
    if generator is not None and to_generate:
        made = generator.generate(to_generate)
        texts = [query.text for query in made.queries]
        encoder.encode_queries(texts + [text for translation in made.translations for text in translation.texts])
    return round((perf_counter() - start) / len(sample) * to_store, 1)
