"""The plain vectors of a collection's passages, as they would be without xqg, to compare its results with."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from xqg.errors import XqgError
from xqg.fusion.arrays import unit_vectors
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
        self._vectors: dict[tuple[str, str], Vectors] | None = None  # by id and content hash
        self._lock = threading.Lock()

    def update(self, store: VectorStore, encoder: Encoder, at_most: int | None = None) -> None:
        """Encode what is new or changed, and drop what is gone.

        :param at_most: passages that may be encoded now; None: all.
        :raises NotComparableError: if there are more, or the collection is too large.
        """
        with self._lock:
            known = self._load() if self._vectors is None else self._vectors
            points = list(islice(store.points(), self._most + 1))
            if len(points) > self._most:
                raise NotComparableError(
                    f"Collection {self._collection!r} has more than {self._most} passages",
                    "",
                    "Compare it with `xqg compare`, or raise service.most_compared",
                )
            wanted = {(point.passage.id, point.entry.content_hash): point.passage for point in points}
            missing = {key: passage for key, passage in wanted.items() if key not in known}
            if at_most is not None and len(missing) > at_most:
                raise NotComparableError(
                    f"{len(missing)} passages of {self._collection!r} have no plain vector yet",
                    "",
                    "Wait for its jobs to end; if there are none, add something to the collection",
                )
            fresh = dict(zip(missing, _encode(encoder, list(missing.values())), strict=True))
            self._vectors = {key: known[key] if key in known else fresh[key] for key in wanted}
            if self._vectors.keys() != known.keys():
                self._save(self._vectors)

    def search(self, queries: Vectors, limit: int) -> list[list[tuple[str, float]]]:
        """The nearest passages of each query and their scores, best first, by dot product of the vectors."""
        vectors = self._vectors
        if not vectors:
            return [[] for _ in queries]
        ids, scores = [key for key, _ in vectors], queries @ np.stack(list(vectors.values())).T
        ranked = np.argsort(-scores, axis=1, kind="stable")[:, :limit]
        return [[(ids[row], float(scores[number, row])) for row in order] for number, order in enumerate(ranked)]

    def drop(self) -> None:
        """Forget all of it."""
        with self._lock:
            self._vectors = None
            self._path.unlink(missing_ok=True)

    def _load(self) -> dict[tuple[str, str], Vectors]:
        try:
            with np.load(self._path, allow_pickle=False) as saved:
                keys = zip(saved["ids"].tolist(), saved["hashes"].tolist(), strict=True)
                return dict(zip(keys, saved["vectors"], strict=True))
        except (OSError, ValueError, KeyError):  # missing, or damaged: it is made anew
            return {}

    def _save(self, vectors: Mapping[tuple[str, str], Vectors]) -> None:
        draft = self._path.with_suffix(".draft.npz")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        ids, hashes = (np.array([key[part] for key in vectors], dtype=str) for part in (0, 1))
        np.savez(draft, ids=ids, hashes=hashes, vectors=np.array(list(vectors.values()), dtype=np.float32))
        draft.replace(self._path)


def _encode(encoder: Encoder, passages: Sequence[Passage]) -> Iterator[Vectors]:
    for start in range(0, len(passages), ENCODED_AT_ONCE):
        vectors = encoder.encode_passages(passages[start : start + ENCODED_AT_ONCE])
        if encoder.distance == "cosine":
            vectors = unit_vectors(vectors)
        yield from vectors
