"""The plain vectors of a collection's passages, as they would be without xqg, to compare its results with."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from xqg.errors import XqgError
from xqg.protocols import Encoder, VectorStore
from xqg.records import Passage, Vectors, digest

ENCODED_AT_ONCE = 32

ENCODED_BY_REQUESTS = 256
"""Passages that a request may encode itself; more are left to the jobs."""


class NotComparableError(XqgError):
    """Plain vectors to compare with are missing."""


class PlainVectors:
    """The vectors of one collection in one file, brought up to date by the content of the passages.

    :param most: passages of a collection that is still compared.
    """

    def __init__(self, folder: Path, collection: str, most: int) -> None:
        self._path = folder / f"{digest([collection])}.npz"
        self._collection, self._most = collection, most
        self._ids: list[str] = []
        self._hashes: list[str] = []
        self._vectors: Vectors | None = None
        self._lock = threading.Lock()

    def update(self, store: VectorStore, encoder: Encoder, at_most: int | None = None) -> None:
        """Encode what is new or changed, and drop what is gone.

        :param at_most: passages that may be encoded now; None: all.
        :raises NotComparableError: if there are more, or the collection is too large.
        """
        with self._lock:
            self._load()
            stored = {point.passage.id: point for point in islice(store.points(), self._most + 1)}
            if len(stored) > self._most:
                raise NotComparableError(
                    f"Collection {self._collection!r} has more than {self._most} passages",
                    "",
                    "Compare it with `xqg compare`, or raise service.most_compared",
                )
            rows = {key: row for row, key in enumerate(zip(self._ids, self._hashes, strict=True))}
            keys = [(key, point.entry.content_hash) for key, point in stored.items()]
            missing = [stored[key[0]].passage for key in keys if key not in rows]
            if at_most is not None and len(missing) > at_most:
                raise NotComparableError(
                    f"{len(missing)} passages of {self._collection!r} have no plain vector yet",
                    "",
                    "Wait for its jobs to end; if there are none, add something to the collection",
                )
            if not missing and len(rows) == len(keys):
                return
            fresh = dict(zip((passage.id for passage in missing), _encode(encoder, missing), strict=True))
            before = self._vectors
            kept = [before[rows[key]] if before is not None and key in rows else fresh[key[0]] for key in keys]
            self._ids, self._hashes = [key for key, _ in keys], [value for _, value in keys]
            self._vectors = np.array(kept, dtype=np.float32).reshape(len(kept), encoder.dimension)
            self._save()

    def search(self, queries: Vectors, limit: int) -> list[list[tuple[str, float]]]:
        """The nearest passages of each query and their scores, best first, by dot product of the vectors."""
        with self._lock:
            ids, vectors = self._ids, self._vectors
        if vectors is None or not len(vectors):
            return [[] for _ in queries]
        scores = queries @ vectors.T
        ranked = np.argsort(-scores, axis=1, kind="stable")[:, :limit]
        return [[(ids[row], float(scores[number, row])) for row in order] for number, order in enumerate(ranked)]

    def drop(self) -> None:
        """Forget all of it."""
        with self._lock:
            self._ids, self._hashes, self._vectors = [], [], None
            self._path.unlink(missing_ok=True)

    def _load(self) -> None:
        if self._vectors is not None or not self._path.is_file():
            return
        try:
            with np.load(self._path, allow_pickle=False) as saved:
                self._ids, self._hashes = saved["ids"].tolist(), saved["hashes"].tolist()
                self._vectors = saved["vectors"]
        except (OSError, ValueError, KeyError):  # torn by a kill: it is made anew
            self._ids, self._hashes, self._vectors = [], [], None

    def _save(self) -> None:
        draft = self._path.with_suffix(".draft.npz")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        ids, hashes = np.array(self._ids, dtype=str), np.array(self._hashes, dtype=str)
        np.savez(draft, ids=ids, hashes=hashes, vectors=np.asarray(self._vectors, dtype=np.float32))
        draft.replace(self._path)


def _encode(encoder: Encoder, passages: Sequence[Passage]) -> Iterator[Vectors]:
    for start in range(0, len(passages), ENCODED_AT_ONCE):
        vectors = encoder.encode_passages(passages[start : start + ENCODED_AT_ONCE])
        if encoder.distance == "cosine":
            vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        yield from vectors
