"""Augmenting passages inside a framework's own pipeline: its vectors in, the rows to store out."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from xqg.encoders.profiles import find_profile, probe_passages, read_probe
from xqg.errors import EncodingError, SettingsError
from xqg.fusion.arrays import finite_rows, unit_vectors
from xqg.fusion.pieces import Piece, passage_pieces, query_pieces
from xqg.fusion.profile import encoder_profile
from xqg.fusion.rules import Fusion, fuse, limit_views, piece_vectors, select_pieces
from xqg.ingest.failures import FailureTally
from xqg.ingest.plan import asked_languages, by_passage
from xqg.languages import LanguageDetector, language_code
from xqg.protocols import Encoder, QueryGenerator
from xqg.records import FusionRule, Passage, Texts, Vectors
from xqg.settings import MOST_VIEWS

logger = logging.getLogger(__name__)

Embed = Callable[[list[str]], Any]
"""Vectors of texts, shape (len(texts), d), as a framework's model makes them."""

QUERIES_AT_ONCE = 16
"""Calls of a framework's asynchronous model under way at once: it takes one query a call, and may be an endpoint."""

PROBE_QUESTIONS = 25
"""Probe questions in each language: frameworks embed questions one by one."""


class Augmenter:
    """Makes of a framework's passage vectors the rows that a collection stores: with title, first sentence and queries.

    The passage vectors come from the framework's embedding model, and so must those of the pieces: with
    ``embed_queries`` given, it makes them; without, each adapter asks its framework's model, one text at a time.

    :param generator: writes queries; None: title and sentences alone.
    :param languages: of the queries, ISO 639-1; () takes those of a ``file:`` generator.
    :param fusion: how rows are made; a rule that needs the encoder's profile and has none measures it at first use.
    :param passage_language: of all passages; None: detected for each.
    :param unit_length: bring all vectors to length 1 first, as a collection under cosine keeps them.
    :param most_views: rows beside the first, under the rule `views`.
    :raises SettingsError: for a generator without languages, or a rule without anything to add.
    """

    def __init__(
        self,
        generator: QueryGenerator | None,
        languages: Sequence[str],
        fusion: Fusion,
        own_language: bool = False,
        passage_language: str | None = None,
        unit_length: bool = False,
        embed_queries: Embed | None = None,
        most_views: int = MOST_VIEWS,
    ) -> None:
        self._languages = tuple(languages) or (() if generator is None else generator.languages())
        if generator is not None and not self._languages:
            raise SettingsError("The generator has no target languages", 'some, such as languages=["fr", "ja"]')
        if generator is None and fusion.rule.needs_queries:
            raise SettingsError(f"The rule {fusion.rule.value} adds generated queries only", "a generator or languages")
        self._generator, self._fusion, self._own_language = generator, fusion, own_language
        self._unit_length, self._most_views = unit_length, most_views if fusion.rule is FusionRule.VIEWS else 0
        self._passage_language, self._detector = passage_language, LanguageDetector()
        self._generating = threading.Lock()  # frameworks call from several threads; a model runs one batch at a time
        self._embed_queries = embed_queries

    def __getstate__(self) -> dict[str, Any]:
        """All but the lock, which cannot travel to another process."""
        return {name: value for name, value in self.__dict__.items() if name != "_generating"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._generating = threading.Lock()

    @property
    def identity(self) -> Mapping[str, Any]:
        """All that changes a vector, as JSON; loads no weights."""
        profile = self._fusion.profile
        return {
            "generator": None if self._generator is None else dict(self._generator.identity),
            "languages": list(self._languages),
            "own_language": self._own_language,
            "passage_language": self._passage_language,
            "unit_length": self._unit_length,
            "fusion": {
                "rule": self._fusion.rule.value,
                "alpha": self._fusion.alpha,
                "beta": self._fusion.beta,
                "profile": None if profile is None else profile.digest,
                "rows": self._fusion.rows,
            },
        }

    @property
    def needs_ids(self) -> bool:
        """Whether the queries are looked up by the passages' ids (``file:`` generators)."""
        return self._generator is not None and self._generator.identity.get("kind") == "file"

    @property
    def writes_rows(self) -> bool:
        """Whether passages get several rows, for a collection of multivectors."""
        return self._fusion.rule is FusionRule.VIEWS

    def passage(self, identifier: str, text: str, title: str = "", language: str | None = None) -> Passage:
        """The text as a passage; ``language`` is a tag like "en" or "pt-BR", None: what was set, else detected."""
        known = self._passage_language if language is None else language_code(language)
        return Passage(identifier, text, title, self._detector.detect(text) if known is None else known)

    def write_texts(self, passages: Sequence[Passage]) -> dict[str, Texts]:
        """Queries and translations by passage id, each asked for once; blank texts get none.

        :raises GenerationError: if the generator fails, or most of what it was asked for; nothing was kept.
        """
        distinct = {passage.id: passage for passage in passages if passage.text.strip()}
        requests = [
            (passage, asked_languages(passage, self._languages, self._own_language, written=self.needs_ids))
            for passage in distinct.values()
        ]
        if not requests or self._generator is None:
            return {}
        with self._generating:
            generation = self._generator.generate(requests)
        if not self.needs_ids:
            tally = FailureTally()
            tally.add(requests, generation)
            tally.finish()
        written = by_passage(generation)
        if len(written) < len(distinct):
            logger.warning("nothing was written for %d of %d passages", len(distinct) - len(written), len(distinct))
        return written

    def augment(
        self,
        passages: Sequence[Passage],
        vectors: Any,
        embed_query: Callable[[str], Sequence[float]],
        embed_passages: Embed | None = None,
    ) -> list[Vectors]:
        """The rows of each passage, each of shape (r, d), float32; r is 1 but for the rule `views`.

        :param vectors: of the passages, shape (len(passages), d).
        :param embed_query: the vector of one query; taken where the augmenter has no `Embed` of its own.
        :param embed_passages: needed where the encoder's profile is still to be measured.
        :raises EncodingError: if the shapes do not fit, or a passage's vector is not finite.
        """
        embed = self._embed_queries or (lambda texts: [embed_query(text) for text in texts])
        if self._needs_profile:
            questions, texts = _probe()
            own = [] if embed_passages is None else embed_passages(texts)
            self._set_profile(embed([question for _, question in questions]), own)
        pieces = self._pieces(passages)
        texts = _distinct(pieces)
        return self._fuse(vectors, pieces, texts, embed(texts) if texts else [])

    async def augment_asynchronously(
        self,
        passages: Sequence[Passage],
        vectors: Any,
        embed_query: Callable[[str], Awaitable[Sequence[float]]],
        embed_passages: Callable[[list[str]], Awaitable[Any]] | None = None,
    ) -> list[Vectors]:
        """`augment` for asynchronous models: queries are written in a thread, and embedded a few at once."""
        gate = asyncio.Semaphore(QUERIES_AT_ONCE)

        async def embed_one(text: str) -> Sequence[float]:
            async with gate:
                return await embed_query(text)

        async def embed(texts: list[str]) -> Any:
            if self._embed_queries is None or not texts:
                return await asyncio.gather(*map(embed_one, texts))
            return await asyncio.to_thread(self._embed_queries, texts)

        if self._needs_profile:
            questions, texts = _probe()
            own = [] if embed_passages is None else await embed_passages(texts)
            self._set_profile(await embed([question for _, question in questions]), own)
        pieces = await asyncio.to_thread(self._pieces, passages)
        texts = _distinct(pieces)
        return self._fuse(vectors, pieces, texts, await embed(texts))

    def know_encoder(self, encoder: Encoder) -> None:
        """Take the profile of ``encoder``, where the framework's model is one of xqg's, instead of measuring it."""
        if self._needs_profile:
            self._fusion = replace(self._fusion, profile=find_profile(encoder))

    def to_stored(self, rows: Sequence[Vectors]) -> list[Any]:
        """What a framework stores of each passage: all rows, as lists, where `writes_rows`, else the first one."""
        return [own.tolist() if self.writes_rows else own[0].tolist() for own in rows]

    def _pieces(self, passages: Sequence[Passage]) -> list[list[Piece]]:
        written = self.write_texts(passages)
        found = [written.get(passage.id, Texts()) if passage.text.strip() else Texts() for passage in passages]
        if self._fusion.rule.is_neutral:
            return [passage_pieces(passage, own) for passage, own in zip(passages, found, strict=True)]
        return [list(query_pieces(own.queries)) for own in found]

    def _fuse(
        self, vectors: Any, pieces: Sequence[Sequence[Piece]], texts: list[str], text_vectors: Any
    ) -> list[Vectors]:
        own = to_matrix(vectors, len(pieces), "passage")
        known = to_matrix(text_vectors, len(texts), "query", own.shape[1])
        fusion = self._fusion
        if fusion.profile is not None and fusion.profile.basis.shape[1] != own.shape[1]:
            raise EncodingError(
                f"The embedding model's vectors have {own.shape[1]} dimensions, the encoder's profile "
                f"{fusion.profile.basis.shape[1]}",
                "the model that the collection was made with",
                "Take that model",
            )
        if self._unit_length:
            own, known = unit_vectors(own), unit_vectors(known)
        place = {text: row for row, text in enumerate(texts)}
        asked = known[[place[piece.text] for found in pieces for piece in found]]
        encoded = piece_vectors(pieces, asked, fusion.profile, fusion.rows)
        sound = finite_rows(encoded.vectors)
        if not sound.all():
            logger.warning("%d of %d query vectors are not finite and are left out", int((~sound).sum()), len(sound))
            encoded = select_pieces(encoded, sound)
        limited = limit_views(encoded, self._most_views)
        return fuse(own, limited, fusion).by_passage(len(pieces))

    @property
    def _needs_profile(self) -> bool:
        return self._fusion.rule.is_neutral and self._fusion.profile is None

    def _set_profile(self, questions: Any, passages: Any) -> None:
        """:raises SettingsError: without vectors of the probe's passages."""
        if len(passages) == 0:
            raise SettingsError(
                f"The rule {self._fusion.rule.value} needs the encoder's profile",
                "the model that embeds passages, to measure it with",
                "Hand that model over, name a collection that xqg made with it (like), or take the rule mean",
            )
        languages = [language for language, _ in _probe()[0]]
        asked = to_matrix(questions, len(languages), "query")
        own = to_matrix(passages, len(passages), "passage", asked.shape[1])
        profile = encoder_profile(asked, own[: len(languages)], languages, own[len(languages) :])
        self._fusion = replace(self._fusion, profile=profile)


def _probe() -> tuple[list[tuple[str, str]], list[str]]:
    """The first `PROBE_QUESTIONS` probe questions of each language; and them with the probe passages, as passages."""
    own: dict[str, list[str]] = {}
    for question in read_probe():
        own.setdefault(question["language"], []).append(question["query"])
    questions = [(language, text) for language, texts in own.items() for text in texts[:PROBE_QUESTIONS]]
    return questions, [*(text for _, text in questions), *(passage.content for passage in probe_passages())]


def _distinct(pieces: Sequence[Sequence[Piece]]) -> list[str]:
    return list(dict.fromkeys(piece.text for found in pieces for piece in found))


def require_vectors(vectors: Sequence[Any], what: str) -> list[Any]:
    """``vectors`` as they are. :param what: they belong to, in the plural.

    :raises EncodingError: if one is None, since no model has made it yet.
    """
    missing = sum(vector is None for vector in vectors)
    if missing:
        raise EncodingError(
            f"{missing} of {len(vectors)} {what} have no embedding",
            f"{what} that the embedding model has seen",
            "Put PassageAugmenter after the embedding model",
        )
    return list(vectors)


def to_lists(vectors: Vectors) -> list[list[float]]:
    """The vectors as frameworks want them."""
    numbers: list[list[float]] = vectors.tolist()
    return numbers


def to_matrix(vectors: Any, rows: int, what: str, dimension: int | None = None) -> Vectors:
    """``vectors`` as float32 of shape (rows, dimension); without rows, they may be [].

    :raises EncodingError: if they have another shape.
    """
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
