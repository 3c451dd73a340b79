"""The configuration of a collection as the arguments that make another one like it."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel
from qdrant_client import models

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


def index_schema(index: models.PayloadIndexInfo) -> Any:
    """The schema that makes a payload index like ``index``: its parameters, or its bare type where it has none."""
    return index.data_type if index.params is None else index.params


def _asked_for(kind: type[Asked], told: BaseModel | None) -> Asked | None:
    """What a server tells, as what it is asked for: the fields that both have, and that are set."""
    if told is None:
        return None
    values = told.model_dump(exclude_none=True)
    return kind(**{name: value for name, value in values.items() if name in kind.model_fields})
