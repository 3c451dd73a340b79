"""The vector of a server's collection, in the client's types: unnamed, of one row a point or of several."""

from __future__ import annotations

from qdrant_client import models

from xqg.errors import StoreError
from xqg.protocols import Collection
from xqg.stores.payload import DEFAULT_VECTOR, MULTIVECTOR_LINKS
from xqg.stores.server_indexing import own_metadata

MAX_SIM = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)

_DISTANCES = {"cosine": models.Distance.COSINE, "dot": models.Distance.DOT}


def to_vectors_config(dimension: int, distance: str, multivector: bool) -> models.VectorParams:
    """The vector of a new collection, without a name: the form that all tools take."""
    if not multivector:
        return models.VectorParams(size=dimension, distance=_DISTANCES[distance])
    return models.VectorParams(
        size=dimension,
        distance=_DISTANCES[distance],
        multivector_config=MAX_SIM,
        hnsw_config=models.HnswConfigDiff(m=MULTIVECTOR_LINKS),
        datatype=models.Datatype.FLOAT16,
    )


def read_collection(name: str, info: models.CollectionInfo, points: int) -> Collection:
    """The collection ``name`` with its number of ``points``; vectors with a name are not looked at.

    :raises StoreError: if it has no unnamed vector, or one that is compared otherwise than ours.
    """
    vectors = info.config.params.vectors
    vector = vectors.get(DEFAULT_VECTOR) if isinstance(vectors, dict) else vectors
    if vector is None:
        raise _unfit(name, "named vectors only, or none")
    names = {distance: known for known, distance in _DISTANCES.items()}
    if vector.distance not in names:
        raise _unfit(name, f"the distance {vector.distance.value}")
    return Collection(
        vector.size,
        names[vector.distance],
        points,
        own_metadata(info.config.metadata),
        vector.multivector_config is not None,
        most_rows(info, DEFAULT_VECTOR),
    )


def most_rows(info: models.CollectionInfo, vector: str) -> int | None:
    """How many rows of a point the collection's strict mode lets through; None where it sets no bound."""
    strict = info.config.strict_mode_config
    if strict is None or not strict.enabled:
        return None
    bound = (strict.multivector_config or {}).get(vector)
    return None if bound is None else bound.max_vectors


def _unfit(name: str, what: str) -> StoreError:
    return StoreError(
        f"The collection {name!r} has {what}",
        "asked for an unnamed vector, with cosine or dot product",
        "Name another collection",
    )
