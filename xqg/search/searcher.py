"""Search: the query is encoded and looked up, nothing more; the work was done at ingestion.

Where the collection has vectors of their own for some languages, the query's language says which are looked up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xqg.errors import FingerprintError, SettingsError, StoreError
from xqg.fingerprints import differences
from xqg.identifiers import is_text, spellings
from xqg.languages import LanguageDetector, language_code
from xqg.protocols import Collection, Encoder, Point, VectorStore
from xqg.records import FieldMatch, Hit


@dataclass(frozen=True)
class Explanation:
    """The generated query of a hit that is closest to the question, with their cosine similarity."""

    language: str
    query: str
    similarity: float


class Searcher:
    """Searches one collection with the encoder that it was made with.

    :param languages: those with vectors of their own in the collection; without any, a query's language is all one.
    :param detector: tells the language of a query that comes without; None: such queries meet the default vectors.
    """

    def __init__(
        self,
        encoder: Encoder,
        store: VectorStore,
        languages: Sequence[str] = (),
        detector: LanguageDetector | None = None,
    ) -> None:
        self._encoder, self._store = encoder, store
        self._languages, self._detector = tuple(languages), detector

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def search(
        self, query: str, limit: int = 10, filters: Sequence[FieldMatch] = (), language: str | None = None
    ) -> list[Hit]:
        """The passages nearest to ``query``, best first, at most ``limit``.

        :param language: of the query, as ISO 639-1; None: detected where the collection has vectors by language.
        :raises SettingsError: if the query is empty or the language unknown. :raises StoreError: if the store fails.
        """
        return self.search_many([query], limit, filters, languages=[language])[0]

    def search_many(
        self,
        queries: Sequence[str],
        limit: int = 10,
        filters: Sequence[FieldMatch] = (),
        exact: bool = False,
        languages: Sequence[str | None] | None = None,
    ) -> list[list[Hit]]:
        """The hits of each of ``queries``, in their order; ``exact`` looks at every point.

        A language that has no vector of its own in the collection falls back to the default one.

        :param languages: one for each query as in `search`; None: no query's language is given.
        :raises SettingsError: if a query is empty or no text, or a language unknown.
        :raises StoreError: if the store fails.
        """
        given = [None] * len(queries) if languages is None else languages
        if len(given) != len(queries):
            raise SettingsError(f"There are {len(given)} languages for {len(queries)} queries", "one for each, or None")
        for query in queries:
            _check_query(query)
        if not queries:
            return []
        rows: dict[str | None, list[int]] = {}
        for row, (query, language) in enumerate(zip(queries, given, strict=True)):
            rows.setdefault(self._vector_language(query, language), []).append(row)
        vectors = self._encoder.encode_queries(queries)
        hits: dict[int, list[Hit]] = {}
        for language, chosen in rows.items():
            found = self._store.search(vectors[chosen], limit, filters, exact, language)
            hits.update(zip(chosen, found, strict=True))
        return [hits[row] for row in range(len(queries))]

    def _vector_language(self, query: str, given: str | None) -> str | None:
        """The language whose vectors ``query`` is compared with; None means the default ones."""
        if given is not None:
            code = language_code(given)
            return code if code in self._languages else None
        if not self._languages or self._detector is None:
            return None
        return self._detector.choose(query, self._languages)

    def look_up(self, passage_id: str) -> Point | None:
        """The stored passage with this id; None if there is none."""
        return next(iter(self._store.points(spellings(passage_id))), None)

    def explain(self, query: str, hits: Sequence[Hit]) -> list[Explanation | None]:
        """For each hit its generated query closest to ``query``; None where it has none."""
        texts = [(row, language, text) for row, hit in enumerate(hits) for language, text in _queries(hit)]
        best: list[Explanation | None] = [None] * len(hits)
        if not texts:
            return best
        vectors = self._encoder.encode_queries([query, *(text for _, _, text in texts)])
        unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        for (row, language, text), similarity in zip(texts, unit[1:] @ unit[0], strict=True):
            known = best[row]
            if known is None or similarity > known.similarity:
                best[row] = Explanation(language, text, float(similarity))
        return best


def _check_query(query: str) -> None:
    if not query.strip():
        raise SettingsError("The query is empty", "a question in any language")
    if not is_text(query):
        raise SettingsError(f"The query {query!r} is not UTF-8", "a question in any language", "Check the terminal")


def _queries(hit: Hit) -> list[tuple[str, str]]:
    return [(language, text) for language, texts in hit.queries.items() for text in texts]


def require_collection(store: VectorStore, name: str) -> Collection:
    """The collection, which must be there and be xqg's.

    :raises StoreError: if it is missing or was not made by xqg.
    """
    found = store.describe()
    if found is None:
        raise StoreError(
            f"There is no collection {name!r} here", "one that `xqg ingest` made", "Check --store and --collection"
        )
    if not found.metadata:
        raise StoreError(f"Collection {name!r} was not made by xqg", "one that `xqg ingest` made")
    return found


def check_encoder(collection: Collection, encoder: Encoder, name: str) -> None:
    """Raise where ``encoder`` is not the one that the collection was made with.

    :raises FingerprintError: shows both.
    """
    lines = differences(collection.metadata["settings"]["encoder"], encoder.identity)
    if lines:
        raise FingerprintError(
            f"Collection {name!r} was made with another encoder: {'; '.join(lines)}",
            remedy="Drop --encoder to take the stored one, or ingest again with this one",
        )
