"""How a collection of a server is configured: read, made new for our vectors, or copied from another collection."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel
from qdrant_client import models

from xqg.errors import SettingsError, StoreError
from xqg.stores.payload import DEFAULT_VECTOR, KEY, MULTIVECTOR_LINKS

logger = logging.getLogger(__name__)

Diff = TypeVar("Diff", bound=BaseModel)

MAX_SIM = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)


@dataclass(frozen=True)
class VectorShape:
    """One dense vector of a collection; ``distance`` and ``datatype`` as Qdrant names them, in lower case.

    ``most_rows`` as in `Collection`.
    """

    size: int
    distance: str
    datatype: str
    multivector: bool
    most_rows: int | None = None


@dataclass(frozen=True)
class Shape:
    """What a collection keeps: dense vectors by name ("" for the unnamed one), and its own metadata."""

    vectors: Mapping[str, VectorShape]
    metadata: Mapping[str, Any]
    custom_sharding: bool

    @property
    def own(self) -> dict[str, Any]:
        """What is under our key in the metadata; {} where there is nothing."""
        own = self.metadata.get(KEY)
        return dict(own) if isinstance(own, Mapping) else {}

    def choose_vector(self, collection: str, wanted: str | None = None) -> str:
        """The name of the dense vector ``wanted``; None: of the only one. :raises XqgError: if there is none."""
        names = list(self.vectors)
        if wanted is not None and wanted not in names:
            raise SettingsError(f"Collection {collection!r} has no dense vector {wanted!r}", f"one of {names}")
        if wanted is None and len(names) != 1:
            found = f"{len(names)} dense vectors: {', '.join(map(repr, names))}" if names else "no dense vector"
            raise StoreError(f"Collection {collection!r} has {found}", "one", "Name it with --vector-name")
        return names[0] if wanted is None else wanted


def read_shape(info: models.CollectionInfo) -> Shape:
    """The shape of a collection that the server describes."""
    params = info.config.params
    vectors = params.vectors if isinstance(params.vectors, Mapping) else {DEFAULT_VECTOR: params.vectors}
    shapes = {name: _read_vector(info, name, vector) for name, vector in vectors.items() if vector is not None}
    sharding = params.sharding_method == models.ShardingMethod.CUSTOM
    return Shape(shapes, dict(info.config.metadata or {}), sharding)


def new_vectors(dimension: int, distance: str, multivector: bool) -> models.VectorParams:
    """The vector of a new collection, without a name, which is the form that all tools accept."""
    kind = models.Distance(distance.capitalize())
    if not multivector:
        return models.VectorParams(size=dimension, distance=kind)
    return models.VectorParams(
        size=dimension,
        distance=kind,
        multivector_config=MAX_SIM,
        hnsw_config=models.HnswConfigDiff(m=MULTIVECTOR_LINKS),
        datatype=models.Datatype.FLOAT16,
    )


def copied_config(info: models.CollectionInfo) -> dict[str, Any]:
    """All arguments of `create_collection` that make another collection like this one.

    Left out is what only the server decides (peers), and the read fan-out, which is no part of what is stored.
    """
    config, params = info.config, info.config.params
    return {
        "vectors_config": params.vectors,
        "sparse_vectors_config": params.sparse_vectors,
        "shard_number": params.shard_number,
        "sharding_method": params.sharding_method,
        "replication_factor": params.replication_factor,
        "write_consistency_factor": params.write_consistency_factor,
        "on_disk_payload": params.on_disk_payload,
        "payload": params.payload,
        "id_tracker": params.id_tracker,
        "hnsw_config": _as_diff(models.HnswConfigDiff, config.hnsw_config),
        "optimizers_config": _as_diff(models.OptimizersConfigDiff, config.optimizer_config),
        "wal_config": _as_diff(models.WalConfigDiff, config.wal_config),
        "quantization_config": config.quantization_config,
        "strict_mode_config": _as_diff(models.StrictModeConfig, config.strict_mode_config),
        "metadata": config.metadata,
    }


def with_several_rows(info: models.CollectionInfo, name: str, vector: str) -> Any:
    """The vectors of the collection ``name``, of which ``vector`` takes several rows a point, compared by MaxSim.

    Its index gets at least `MULTIVECTOR_LINKS`, unless it is meant to have none (m 0, for payload indexes alone).
    """
    vectors = info.config.params.vectors
    params = vectors[vector] if isinstance(vectors, dict) else vectors
    if params is None:
        raise StoreError(f"Collection {name!r} has no dense vector {vector!r}")
    quantization = params.quantization_config or info.config.quantization_config
    if isinstance(quantization, models.BinaryQuantization):
        logger.warning(
            "%r is quantised to bits, and so will be its copy: in our measurements that cost e5's vectors most of "
            "their recall, with one row a point or several",
            name,
        )
    raised = params.model_copy(update={"multivector_config": MAX_SIM, "hnsw_config": _more_links(info, params, name)})
    return {**vectors, vector: raised} if isinstance(vectors, dict) else raised


def index_schema(index: models.PayloadIndexInfo) -> Any:
    """The schema that makes a payload index like ``index``: its parameters, or its bare type where it has none."""
    return index.data_type if index.params is None else index.params


def _read_vector(info: models.CollectionInfo, name: str, vector: models.VectorParams) -> VectorShape:
    strict = info.config.strict_mode_config
    bounds = (strict.multivector_config or {}) if strict is not None and strict.enabled else {}
    return VectorShape(
        vector.size,
        vector.distance.value.lower(),
        "float32" if vector.datatype is None else vector.datatype.value,
        vector.multivector_config is not None,
        bounds[name].max_vectors if name in bounds else None,
    )


def _more_links(info: models.CollectionInfo, params: models.VectorParams, name: str) -> models.HnswConfigDiff | None:
    """The vector's own part of the index configuration, with m and payload_m raised where they are set and lower."""
    own = models.HnswConfigDiff() if params.hnsw_config is None else params.hnsw_config
    raised = {}
    for field in ("m", "payload_m"):
        links = getattr(info.config.hnsw_config, field) if getattr(own, field) is None else getattr(own, field)
        if links and links < MULTIVECTOR_LINKS:
            raised[field] = MULTIVECTOR_LINKS
            message = "The index gets %s %s instead of the %s of %r: several rows a point want more links"
            logger.info(message, field, MULTIVECTOR_LINKS, links, name)
    return own.model_copy(update=raised) if raised else params.hnsw_config


def _as_diff(kind: type[Diff], found: BaseModel | None) -> Diff | None:
    """A configuration that a server describes, as the argument that asks for it: the fields that both have."""
    if found is None:
        return None
    values = found.model_dump(exclude_none=True)
    return kind(**{name: value for name, value in values.items() if name in kind.model_fields})
