"""Fusing vectors that somebody else's embedding model made: what all adapters share; knows no framework."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from xqg.errors import EncodingError, SettingsError
from xqg.ingest.fusion import Fusion, finite_rows, fuse
from xqg.ingest.planning import asked_languages
from xqg.ingest.subspace import unit_rows
from xqg.languages import LanguageDetector, language_code
from xqg.protocols import QueryGenerator
from xqg.records import FusionRule, GeneratedQuery, Passage, Vectors, digest

logger = logging.getLogger(__name__)

EmbedQueries: TypeAlias = Callable[[Sequence[str]], Any]
"""Vectors of questions: texts in, an array or nested lists of shape (len(texts), d) out."""

QUERIES_AT_ONCE = 16
"""Calls of a framework's asynchronous model under way at once: it takes one query a call, and may be an endpoint."""


class Augmenter:
    """Writes queries for passages and fuses their vectors into those of the passages.

    The passage vectors come from the framework's embedding model, and so must those of the queries: with
    ``embed_queries`` given, it makes them; without, each adapter asks its framework's model, one query at a time.

    :param languages: of the queries, ISO 639-1; () takes those of a ``file:`` generator.
    :param passage_language: of all passages; None: detected for each.
    :param unit_length: bring all vectors to length 1 before they are fused, as those were that it was calibrated on.
    :raises SettingsError: without languages, or for the rule per-language, which frameworks have no place to write to.
    """

    def __init__(
        self,
        generator: QueryGenerator,
        languages: Sequence[str],
        fusion: Fusion,
        own_language: bool = False,
        passage_language: str | None = None,
        unit_length: bool = False,
        embed_queries: EmbedQueries | None = None,
    ) -> None:
        self._languages = tuple(languages) or generator.languages()
        if not self._languages:
            raise SettingsError("There are no target languages", "at least one", 'For example languages=["fr", "ja"]')
        if fusion.rule is FusionRule.PER_LANGUAGE:
            raise SettingsError(
                "The rule per-language stores one vector for each language",
                "a rule with one vector for each passage: frameworks write no more",
                "Store with another rule; `xqg ingest` writes one for each language, `xqg augment` does not",
            )
        missing = [code for code in self._languages if fusion.space is not None and code not in fusion.space.languages]
        if missing and fusion.prior > 0:
            raise SettingsError(
                f"The collection was calibrated without {', '.join(map(repr, missing))}",
                "languages whose queries count for something",
                "Leave them out, or calibrate again",
            )
        self._generator, self._fusion, self._own_language = generator, fusion, own_language
        self._unit_length = unit_length
        self._passage_language, self._detector = passage_language, LanguageDetector()
        self._generating = threading.Lock()  # frameworks call from several threads; a model runs one batch at a time
        self._embed_queries = embed_queries

    @property
    def identity(self) -> Mapping[str, Any]:
        """All that changes a vector, as JSON; loads no weights."""
        space = self._fusion.space
        return {
            "generator": dict(self._generator.identity),
            "languages": list(self._languages),
            "own_language": self._own_language,
            "passage_language": self._passage_language,
            "unit_length": self._unit_length,
            "fusion": {**asdict(self._fusion), "space": None if space is None else digest(space.to_json())},
        }

    @property
    def needs_ids(self) -> bool:
        """Whether the queries are looked up by the passages' ids (``file:`` generators)."""
        return self._generator.identity.get("kind") == "file"

    def passage(self, identifier: str, text: str, title: str = "", language: str | None = None) -> Passage:
        """The text as a passage; ``language`` is a tag like "en" or "pt-BR", None: what was set, else detected."""
        known = self._passage_language if language is None else language_code(language)
        return Passage(identifier, text, title, self._detector.detect(text) if known is None else known)

    def write_queries(self, passages: Sequence[Passage]) -> list[GeneratedQuery]:
        """The queries of the passages, each passage id asked for once; blank texts get none.

        :raises GenerationError: if the generator fails; nothing was kept.
        """
        distinct = {passage.id: passage for passage in passages if passage.text.strip()}
        requests = [(passage, self._languages_for(passage)) for passage in distinct.values()]
        if not requests:
            return []
        with self._generating:
            queries = list(self._generator.generate(requests).queries)
        silent = len(distinct) - len({query.passage_id for query in queries})
        if silent:
            logger.warning("%d of %d passages got no query and keep their own vector", silent, len(distinct))
        return queries

    def fuse(
        self, passages: Sequence[Passage], vectors: Any, queries: Sequence[GeneratedQuery], query_vectors: Any
    ) -> Vectors:
        """The vectors to store, shape (len(passages), d), float32.

        :param vectors: of the passages, shape (len(passages), d).
        :param query_vectors: shape (len(queries), d); those that are not finite are left out.
        :raises EncodingError: if the shapes do not fit, or a passage's vector is not finite.
        """
        own = _matrix(vectors, len(passages), "passage")
        asked = _matrix(query_vectors, len(queries), "query", own.shape[1])
        self._check_dimension(own.shape[1])
        sound = finite_rows(asked)
        if not sound.all():
            logger.warning("%d of %d query vectors are not finite and are left out", int((~sound).sum()), len(sound))
        if self._unit_length:
            own, asked = _unit_rows(own), _unit_rows(asked)
        pairs = _pair(passages, queries, sound)
        chosen = pairs[:, 1]
        return fuse(own, asked[chosen], pairs[:, 0], [queries[number].language for number in chosen], self._fusion)

    def augment(self, passages: Sequence[Passage], vectors: Any, embed_queries: EmbedQueries) -> Vectors:
        """Write queries, embed them and fuse: `write_queries` and `fuse` in one, parameters and errors as there.

        :param embed_queries: taken where the augmenter has none of its own.
        """
        queries = self.write_queries(passages)
        embed = embed_queries if self._embed_queries is None else self._embed_queries
        return self.fuse(passages, vectors, queries, embed([query.text for query in queries]) if queries else [])

    async def augment_asynchronously(
        self, passages: Sequence[Passage], vectors: Any, embed_query: Callable[[str], Awaitable[Sequence[float]]]
    ) -> Vectors:
        """`augment` for asynchronous models: queries are written in a thread, and embedded a few at once.

        :param embed_query: the vector of one query; taken where the augmenter has no `EmbedQueries` of its own.
        """
        queries = await asyncio.to_thread(self.write_queries, passages)
        texts, gate = [query.text for query in queries], asyncio.Semaphore(QUERIES_AT_ONCE)

        async def embed(text: str) -> Sequence[float]:
            async with gate:
                return await embed_query(text)

        if self._embed_queries is None or not texts:
            query_vectors: Any = await asyncio.gather(*map(embed, texts))
        else:
            query_vectors = await asyncio.to_thread(self._embed_queries, texts)
        return self.fuse(passages, vectors, queries, query_vectors)

    def _languages_for(self, passage: Passage) -> tuple[str, ...]:
        return asked_languages(passage, self._languages, self._own_language, written=self.needs_ids)

    def _check_dimension(self, dimension: int) -> None:
        space = self._fusion.space
        if space is not None and space.basis.shape[1] != dimension:
            raise EncodingError(
                f"The embedding model's vectors have {dimension} dimensions, the calibration {space.basis.shape[1]}",
                "the model that the collection was calibrated with",
                "Take that model, or calibrate with this one",
            )


def to_lists(vectors: Vectors) -> list[list[float]]:
    """The vectors as frameworks want them."""
    numbers: list[list[float]] = vectors.tolist()
    return numbers


def _unit_rows(vectors: Vectors) -> Vectors:
    return unit_rows(vectors.astype(np.float64)).astype(np.float32)


def _matrix(vectors: Any, rows: int, what: str, dimension: int | None = None) -> Vectors:
    """``vectors`` as float32 of shape (rows, dimension); without rows, they may be []."""
    if rows == 0 and len(vectors) == 0:
        return np.empty((0, dimension or 0), dtype=np.float32)
    try:
        matrix = np.asarray(vectors, dtype=np.float32)
    except ValueError as error:
        raise EncodingError(f"The {what} vectors differ in length", "vectors of one length") from error
    if matrix.ndim != 2 or len(matrix) != rows or matrix.shape[1] != (dimension or matrix.shape[1]):
        asked = f"({rows}, {'dimension' if dimension is None else dimension})"
        raise EncodingError(f"The embedding model's {what} vectors have shape {matrix.shape}", f"shape {asked}")
    return matrix


def _pair(
    passages: Sequence[Passage], queries: Sequence[GeneratedQuery], sound: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """(row of the passage, number of its query), shape (pairs, 2): a passage given twice has its queries twice."""
    by_passage: dict[str, list[int]] = {}
    for number, query in enumerate(queries):
        if sound[number]:
            by_passage.setdefault(query.passage_id, []).append(number)
    pairs = [
        (row, number)
        for row, passage in enumerate(passages)
        if passage.text.strip()
        for number in by_passage.get(passage.id, ())
    ]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)
