"""The configuration of a collection as the arguments that make another one like it."""

from __future__ import annotations

import logging
from typing import Any, TypeVar

from pydantic import BaseModel
from qdrant_client import models

from xqg.errors import StoreError
from xqg.stores.payload import MULTIVECTOR_LINKS
from xqg.stores.server_layout import MAX_SIM

logger = logging.getLogger(__name__)

Asked = TypeVar("Asked", bound=BaseModel)


def creation_arguments(info: models.CollectionInfo) -> dict[str, Any]:
    """All that `create_collection` takes of what a collection tells of itself, its metadata left out.

    Left out as well: what only the server decides (peers), and the read fan-out, which is no part of what is stored.
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
        "hnsw_config": _asked_for(models.HnswConfigDiff, config.hnsw_config),
        "optimizers_config": _asked_for(models.OptimizersConfigDiff, config.optimizer_config),
        "wal_config": _asked_for(models.WalConfigDiff, config.wal_config),
        "quantization_config": config.quantization_config,
        "strict_mode_config": _asked_for(models.StrictModeConfig, config.strict_mode_config),
    }


def with_several_rows(info: models.CollectionInfo, name: str, vector: str) -> Any:
    """The vectors of the collection ``name``, of which ``vector`` takes several rows a point, compared by MaxSim.

    Its index gets at least `MULTIVECTOR_LINKS`, unless it has none by intention (m 0, for payload indexes alone).
    """
    vectors = info.config.params.vectors
    params = vectors[vector] if isinstance(vectors, dict) else vectors
    if params is None:
        raise StoreError(f"Collection {name!r} has no dense vector {vector!r}")
    quantization = params.quantization_config or info.config.quantization_config
    if isinstance(quantization, models.BinaryQuantization):
        logger.warning(
            "%r is quantised to bits, and so will be its copy: when measured, that cost the vectors of e5 most of "
            "their recall, one a point or several",
            name,
        )
    raised = params.model_copy(update={"multivector_config": MAX_SIM, "hnsw_config": _more_links(info, params, name)})
    return {**vectors, vector: raised} if isinstance(vectors, dict) else raised


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


def index_schema(index: models.PayloadIndexInfo) -> Any:
    """The schema that makes a payload index like ``index``: its parameters, or its bare type where it has none."""
    return index.data_type if index.params is None else index.params


def _asked_for(kind: type[Asked], told: BaseModel | None) -> Asked | None:
    """What a server tells, as what it is asked for: the fields that both have, and that are set."""
    if told is None:
        return None
    values = told.model_dump(exclude_none=True)
    return kind(**{name: value for name, value in values.items() if name in kind.model_fields})
