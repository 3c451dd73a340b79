"""Points and passages of collections that other software made."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from qdrant_client import models

from xqg.records import Passage, Vectors, digest
from xqg.stores.payload import read_rows

Identity = int | str
"""A point's own id: an unsigned number or a UUID."""


@dataclass(frozen=True)
class ForeignPoint:
    """A point as it was read. ``vectors``: a list of numbers, rows of such, or vectors by name, in JSON's types."""

    id: Identity
    payload: Mapping[str, Any]
    vectors: Any

    def rows(self, name: str) -> Vectors | None:
        """The rows of the dense vector ``name``, shape (r, dimension), of a plain one (1, dimension); None without."""
        return read_rows(self.vectors, name)

    def vector(self, name: str) -> Vectors | None:
        """The dense vector ``name``, of a multivector its first row, shape (dimension,); None where there is none."""
        rows = self.rows(name)
        return None if rows is None else rows[0]

    def vectors_with(self, name: str, rows: Vectors) -> Any:
        """All its vectors with another one ``name``, if it has one.

        :param rows: shape (r, dimension); (dimension,) for a plain vector.
        """
        if self.rows(name) is None:
            return self.vectors
        numbers = np.asarray(rows, dtype=np.float32).tolist()
        return {**self.vectors, name: numbers} if isinstance(self.vectors, Mapping) else numbers

    def digest(self) -> str:
        """Hash of payload and vectors, the same over REST and gRPC."""
        return digest([self.payload, _exact(self.vectors)])


@dataclass(frozen=True)
class ForeignPassage(Passage):
    """A passage with the point that it was read from; its id is the point's, its document hash the point's digest.

    ``replaces``: the document hash of the point of ours that it takes the place of; None where there was none.
    ``in_place``: whether others wrote it into the augmented collection itself.
    """

    origin: ForeignPoint | None = None
    replaces: str | None = None
    in_place: bool = False


def foreign_passage(passage: Passage, origin: ForeignPoint, **others: Any) -> ForeignPassage:
    """``passage`` with the point that it was read from. :param others: further fields, and such as change."""
    fields = {field.name: getattr(passage, field.name) for field in dataclasses.fields(Passage)}
    return ForeignPassage(**{**fields, "origin": origin, **others})


def identity(passage_id: str) -> Identity:
    """The point id that a passage id was made from by `str`; a UUID has hyphens, so it is never all digits."""
    return int(passage_id) if passage_id.isdigit() else passage_id


def read_point(record: models.Record) -> ForeignPoint:
    """A point as the client read it."""
    vectors = record.vector
    if isinstance(vectors, Mapping):
        vectors = {name: _plain(vector) for name, vector in vectors.items()}
    return ForeignPoint(record.id, dict(record.payload or {}), vectors)  # type: ignore[arg-type]  # a UUID is a str


def _plain(vector: Any) -> Any:
    return vector.model_dump(mode="json") if isinstance(vector, models.SparseVector) else vector


def _exact(vectors: Any) -> Any:
    """Vectors as hashed: floats by their 32 bits, whatever decimals the protocol wrote them in."""
    if isinstance(vectors, Mapping):
        return {name: _exact(part) for name, part in vectors.items()}
    return None if vectors is None else np.asarray(vectors, dtype=np.float32).tobytes().hex()
