"""Passages out of collections that other software made, each with the point that it is stored as."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from qdrant_client import models

from xqg.errors import PARSING_ERRORS, StoreError
from xqg.layouts import PLAIN_VECTOR, Layout
from xqg.records import Passage, Vectors, digest
from xqg.stores.payload import read_rows


@dataclass(frozen=True)
class SourcePassage(Passage):
    """A passage with the point that it was read from; its id is the point's, its document hash the point's digest.

    ``payload``: of the point, without our key. ``vectors``: all of them, as the client reads them.
    ``vector``: the dense one that is replaced, shape (dimension,), float32; None where the point has none.
    ``replaces``: the document hash of the point of ours that it takes the place of; None where there was none.
    ``in_place``: whether others wrote it into the augmented collection itself.
    """

    payload: Mapping[str, Any] = field(default_factory=dict)
    vectors: Any = None
    vector: Vectors | None = field(default=None, compare=False)
    replaces: str | None = None
    in_place: bool = False

    @property
    def is_augmentable(self) -> bool:
        """Whether there is a text to take pieces from, and a vector to fuse them into."""
        return bool(self.text.strip()) and self.vector is not None


def read_source(
    record: models.Record,
    layout: Layout,
    vector: str,
    own: Mapping[str, Any],
    detect: Callable[[str], str],
    in_place: bool = False,
) -> SourcePassage:
    """The passage of a point. :param vector: the name of the dense vector that is replaced.

    :param own: what stands under our key in the augmented collection; {} where there is nothing.
    :param detect: tells the language of a text that is new and names none.
    """
    payload, vectors = record.payload or {}, record.vector
    if in_place and own:
        payload = layout.without_own(payload)
        rows: Any = [_plain_vector(record.id, own).tolist()]
        vectors = {**vectors, vector: rows[0]} if isinstance(vectors, Mapping) else rows[0]
        document_hash = own["document_hash"]
    else:
        document_hash = point_digest(payload, vectors)
    before = own.get("document_hash")
    passage = layout.passage(
        str(record.id), payload, (lambda text: str(own["language"])) if before == document_hash else detect
    )
    rows = read_rows(vectors, vector)
    plain = {item.name: getattr(passage, item.name) for item in fields(Passage)} | {"document_hash": document_hash}
    return SourcePassage(
        **plain,
        payload=payload,
        vectors=vectors,
        vector=None if rows is None else rows[0],
        replaces=before,
        in_place=in_place,
    )


def point_digest(payload: Mapping[str, Any], vectors: Any) -> str:
    """Hash of payload and vectors, the same over REST and gRPC."""
    return digest([payload, _exact(vectors)])


def encode_vector(vector: Vectors) -> str:
    """A vector as text, as it is kept under our key (`PLAIN_VECTOR`)."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")


def _plain_vector(key: Any, own: Mapping[str, Any]) -> Vectors:
    """The vector that others wrote, kept beside ours."""
    try:
        vector: Vectors = np.frombuffer(base64.b64decode(own[PLAIN_VECTOR]), dtype="<f4").astype(np.float32)
    except PARSING_ERRORS as error:
        raise StoreError(f"Point {key!r} has lost the vector that others gave it: {error}") from error
    return vector


def _exact(vectors: Any) -> Any:
    """Vectors as hashed: floats by their 32 bits, whatever decimals the protocol wrote them in."""
    if isinstance(vectors, models.SparseVector):
        return {"indices": vectors.indices, "values": _exact(vectors.values)}
    if isinstance(vectors, Mapping):
        return {name: _exact(part) for name, part in vectors.items()}
    return None if vectors is None else np.asarray(vectors, dtype=np.float32).tobytes().hex()
