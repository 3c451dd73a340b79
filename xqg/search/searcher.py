"""Search: the query is encoded and looked up, nothing more; the work was done at ingestion."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np

from xqg.errors import FingerprintError, SettingsError, StoreError
from xqg.fusion.arrays import unit_vectors
from xqg.fusion.pieces import Piece, passage_pieces
from xqg.identifiers import is_text, spellings
from xqg.metadata import check_metadata, differences
from xqg.protocols import Collection, Encoder, Point, VectorStore
from xqg.records import Hit, Texts, Vectors
from xqg.search.filters import Filters, read_filters


@dataclass(frozen=True)
class Explanation:
    """The piece of a hit that is closest to the question, with their cosine similarity, -1 to 1."""

    piece: Piece
    similarity: float


class Searcher(AbstractContextManager["Searcher"]):
    """Searches one collection with the encoder that it was made with."""

    def __init__(self, encoder: Encoder, store: VectorStore) -> None:
        self._encoder, self._store = encoder, store

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the store; calling it twice does nothing."""
        self._store.close()

    def search(self, query: str, limit: int = 10, filters: Filters = ()) -> list[Hit]:
        """The passages nearest to ``query``, best first, at most ``limit``.

        :param filters: what they must pass: texts such as "year>=2023", or values by key (`xqg.search.filters`).
        :raises SettingsError: if the query is empty or a filter cannot be read. :raises StoreError: if the store fails.
        """
        return self.search_many([query], limit, filters)[0]

    def search_many(
        self, queries: Sequence[str], limit: int = 10, filters: Filters = (), exact: bool = False
    ) -> list[list[Hit]]:
        """The hits of each of ``queries``, in their order; ``exact`` looks at every point.

        :raises SettingsError: if a query is empty or no text. :raises StoreError: if the store fails.
        """
        conditions = read_filters(filters)
        return self._store.search(self.encode(queries), limit, conditions, exact) if queries else []

    def encode(self, queries: Sequence[str]) -> Vectors:
        """The vectors of ``queries``, for `search_encoded`. :raises SettingsError: if one is empty or no text."""
        for query in queries:
            _check_query(query)
        return self._encoder.encode_queries(queries)

    def search_encoded(self, vectors: Vectors, limit: int) -> list[list[Hit]]:
        """`search_many` for queries that are encoded already."""
        return self._store.search(vectors, limit)

    def look_up(self, passage_id: str) -> Point | None:
        """The stored passage with this id; None if there is none."""
        return next(iter(self._store.points(spellings(passage_id))), None)

    def explain(self, query: str | Vectors, hits: Sequence[Hit]) -> list[Explanation | None]:
        """For each hit its piece closest to ``query``: title, sentence, their translation, or generated query.

        :param query: a text, or its vector, shape (dimension,).
        """
        known = self._store.ledger([hit.passage.id for hit in hits])
        pieces = [
            passage_pieces(hit.passage, known[hit.passage.id].texts if hit.passage.id in known else Texts())
            for hit in hits
        ]
        texts = [piece.text for found in pieces for piece in found]
        if not texts:
            return [None] * len(hits)
        given = [query] if isinstance(query, str) else []
        vectors = self._encoder.encode_queries([*given, *texts])
        if not isinstance(query, str):
            vectors = np.vstack([query, vectors])
        unit = unit_vectors(vectors)
        similarities = iter((unit[1:] @ unit[0]).tolist())
        explained: list[Explanation | None] = []
        for found in pieces:
            candidates = [Explanation(piece, next(similarities)) for piece in found]
            explained.append(max(candidates, key=lambda one: one.similarity, default=None))
        return explained


def _check_query(query: str) -> None:
    if not query.strip():
        raise SettingsError("The query is empty", "a question in any language")
    if not is_text(query):
        raise SettingsError(f"The query {query!r} is not UTF-8", "a question in any language", "Check the terminal")


def require_collection(store: VectorStore, name: str) -> Collection:
    """The collection, which must be there and be xqg's.

    :raises StoreError: if it is missing, was not made by xqg, or has damaged metadata.
    """
    found = store.describe()
    if found is None:
        raise StoreError(
            f"There is no collection {name!r} here", "one that `xqg ingest` made", "Check --store and --collection"
        )
    if not found.metadata:
        raise StoreError(f"Collection {name!r} was not made by xqg", "one that `xqg ingest` made")
    check_metadata(found.metadata, name)
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
