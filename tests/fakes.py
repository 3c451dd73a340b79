"""Parts whose output can be read: a word is an axis, a generated query says what it was made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from xqg.errors import StoreError
from xqg.fusion.profile import EncoderProfile
from xqg.protocols import Collection, Generation, Point
from xqg.records import FieldMatch, GeneratedQuery, Hit, LedgerEntry, Passage, Vectors

WORDS = ("battery", "invoice", "password", "valve", "wifi", "refund", "language", "other")


class FakeEncoder:
    """Counts words: the vector of a text has, at each word's axis, how often the word occurs in it.

    :param common: length of what all vectors have in common, as those of real encoders do.
    :param scale: vectors are this much longer.
    """

    dimension = len(WORDS)

    def __init__(self, distance: str = "dot", revision: str = "1", common: float = 0.0, scale: float = 1.0) -> None:
        self.distance, self.revision = distance, revision
        self.common, self.scale = common, scale
        self.encoded_passages = self.encoded_queries = 0
        self.broken: set[str] = set()

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"kind": "fake", "revision": self.revision}

    def check(self) -> None:
        pass

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        self.encoded_queries += len(texts)
        return self._encode(texts)

    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        self.encoded_passages += len(passages)
        return self._encode([passage.content for passage in passages])

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def _encode(self, texts: Sequence[str]) -> Vectors:
        rows = [[float(text.lower().split().count(word)) for word in WORDS] for text in texts]
        counts = np.array(rows, dtype=np.float32).reshape(-1, len(WORDS))
        vectors = np.float32(self.scale) * (counts + np.float32(self.common / len(WORDS) ** 0.5))
        for row, text in enumerate(texts):
            if any(word in text for word in self.broken):
                vectors[row] = np.nan
        return vectors


def fake_profile(encoder: Any = None) -> EncoderProfile:
    """The language is on the axis "language", and passages have 0.6 of their length there."""
    axis = np.eye(len(WORDS), dtype=np.float32)[WORDS.index("language")]
    return EncoderProfile(("en", "fr"), axis[None], axis, 0.6, 1.0)


class FakeGenerator:
    """Writes "LANGUAGE NUMBER: first word" and keeps a list of what it was asked for."""

    metered = False

    def __init__(self, count: int = 2, silent: Sequence[str] = ()) -> None:
        self.count, self.silent = count, silent
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"kind": "fake", "count": self.count}

    def languages(self) -> tuple[str, ...]:
        return ()

    def check(self) -> None:
        pass

    def generate(self, requests: Sequence[tuple[Passage, Sequence[str]]]) -> Generation:
        queries, dropped = [], 0
        for passage, languages in requests:
            self.asked.append((passage.id, tuple(languages)))
            for language in languages:
                if language in self.silent:
                    dropped += self.count
                    continue
                for number in range(self.count):
                    text = f"{language} {number} {passage.text.split()[0]}"
                    queries.append(GeneratedQuery(passage.id, language, text))
        return Generation(tuple(queries), {"language": dropped} if dropped else {})


class FakeStore:
    """A dictionary of points under MaxSim; counts its writes, and can be told to fail at the n-th upsert.

    ``searched`` lists the number of queries of each search.
    """

    def __init__(self) -> None:
        self.collection: Collection | None = None
        self.stored: dict[str, Point] = {}
        self.upserts = self.closed = 0
        self.fail_at: int | None = None
        self.bulk = False
        self.searched: list[int] = []
        self.indexed: list[str] = []

    def describe(self) -> Collection | None:
        if self.collection is None:
            return None
        return replace(self.collection, points=len(self.stored))

    def create(self, dimension: int, distance: str, metadata: Mapping[str, Any], multivector: bool = False) -> None:
        if self.collection is not None:
            raise StoreError("exists")
        self.collection = Collection(dimension, distance, 0, dict(metadata), multivector)

    def write_metadata(self, metadata: Mapping[str, Any]) -> None:
        if self.collection is None:
            raise StoreError("missing")
        self.collection = replace(self.collection, metadata=dict(metadata))

    def ledger(self, passage_ids: Sequence[str]) -> dict[str, LedgerEntry]:
        return {key: self.stored[key].entry for key in passage_ids if key in self.stored}

    def upsert(self, points: Sequence[Point]) -> None:
        self.upserts += 1
        if self.fail_at is not None and self.upserts >= self.fail_at:
            raise StoreError("the store is gone")
        single = self.collection is not None and not self.collection.multivector
        for point in points:
            if point.rows is None or point.rows.ndim != 2 or not len(point.rows) or (single and len(point.rows) > 1):
                raise StoreError("each point needs rows, and only multivectors have several")
        self.stored |= {point.passage.id: point for point in points}

    def delete(self, passage_ids: Sequence[str]) -> None:
        self.stored = {key: point for key, point in self.stored.items() if key not in passage_ids}

    def index_fields(self, fields: Sequence[str]) -> None:
        self.indexed = list(fields)

    def search(
        self, vectors: Vectors, limit: int, filters: Sequence[FieldMatch] = (), exact: bool = False
    ) -> list[list[Hit]]:
        self.searched.append(len(vectors))
        return [self._search_one(vector, limit) for vector in vectors]

    def points(self, passage_ids: Sequence[str] | None = None, with_vectors: bool = False) -> Iterator[Point]:
        keys = sorted(self.stored) if passage_ids is None else passage_ids
        yield from (self.stored[key] for key in keys if key in self.stored)

    @contextmanager
    def bulk_load(self) -> Iterator[None]:
        self.bulk = True
        try:
            yield
        finally:
            self.bulk = False

    def close(self) -> None:
        self.closed += 1

    def _search_one(self, vector: Vectors, limit: int) -> list[Hit]:
        scored = [
            (float((point.rows @ vector).max()), key) for key, point in self.stored.items() if point.rows is not None
        ]
        best = sorted(scored, key=lambda pair: (-pair[0], pair[1]))[:limit]
        points = [(score, self.stored[key]) for score, key in best]
        return [Hit(rank, score, point.passage) for rank, (score, point) in enumerate(points, start=1)]
