"""The vectors of a server's collection, in the client's types: one without a name, and one for each language."""

from __future__ import annotations

from collections.abc import Sequence

from qdrant_client import models

from xqg.errors import StoreError
from xqg.languages import NAMES
from xqg.protocols import Collection
from xqg.stores.payload import DEFAULT_VECTOR
from xqg.stores.server_indexing import THRESHOLD_BEFORE, own_metadata

_DISTANCES = {"cosine": models.Distance.COSINE, "dot": models.Distance.DOT}


def to_vectors_config(
    dimension: int, distance: str, languages: Sequence[str]
) -> models.VectorParams | dict[str, models.VectorParams]:
    """The vectors of a new collection; without ``languages`` the form that all tools take for a single vector."""
    vector = models.VectorParams(size=dimension, distance=_DISTANCES[distance])
    return dict.fromkeys((DEFAULT_VECTOR, *languages), vector) if languages else vector


def read_collection(name: str, info: models.CollectionInfo, points: int) -> Collection:
    """The collection ``name`` with its number of ``points``.

    :raises StoreError: if its vectors are not as `to_vectors_config` makes them.
    """
    vectors = info.config.params.vectors
    named = vectors if isinstance(vectors, dict) else {} if vectors is None else {DEFAULT_VECTOR: vectors}
    languages = tuple(sorted(set(named) - {DEFAULT_VECTOR}))
    default = named.get(DEFAULT_VECTOR)
    if default is None or default.multivector_config is not None or not set(languages) <= set(NAMES):
        raise _unfit(name, "named, multiple or no vectors")
    if any(not _is_alike(default, named[language]) for language in languages):
        raise _unfit(name, "vectors of several kinds")
    names = {distance: known for known, distance in _DISTANCES.items()}
    if default.distance not in names:
        raise _unfit(name, f"the distance {default.distance.value}")
    metadata = own_metadata(info)
    metadata.pop(THRESHOLD_BEFORE, None)
    return Collection(default.size, names[default.distance], points, metadata, languages)


def _is_alike(first: models.VectorParams, second: models.VectorParams) -> bool:
    def kind(vector: models.VectorParams) -> tuple[object, ...]:
        return vector.size, vector.distance, vector.multivector_config

    return kind(first) == kind(second)


def _unfit(name: str, what: str) -> StoreError:
    return StoreError(
        f"The collection {name!r} has {what}",
        "asked for one unnamed vector, with cosine or dot product",
        "Name another collection",
    )
