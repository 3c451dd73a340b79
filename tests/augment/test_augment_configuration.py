"""The new collection is configured like its source, whatever was set there."""

from __future__ import annotations

from typing import Any

import pytest
from qdrant_client import QdrantClient, models

from tests.augment.setting import Bench, plain_points, vector_of
from tests.stores.wire import WireServer
from xqg.errors import StoreError

COSINE = models.Distance.COSINE
SETTINGS: dict[str, Any] = {
    "hnsw_config": models.HnswConfigDiff(m=8, ef_construct=77, on_disk=True),
    "optimizers_config": models.OptimizersConfigDiff(indexing_threshold=777, max_segment_size=5000),
    "quantization_config": models.ScalarQuantization(scalar=models.ScalarQuantizationConfig(type="int8", quantile=0.9)),
    "on_disk_payload": True,
    "shard_number": 3,
    "replication_factor": 2,
}


@pytest.fixture
def client(wire: WireServer) -> QdrantClient:
    return QdrantClient(url=wire.url, check_compatibility=False)


def test_all_of_it_is_copied(client: QdrantClient, wire: WireServer) -> None:
    own = models.HnswConfigDiff(m=4)
    vectors = {"": models.VectorParams(size=8, distance=COSINE, on_disk=True, hnsw_config=own)}
    client.create_collection("docs", vectors, metadata={"owner": {"team": "docs"}}, **SETTINGS)
    client.create_payload_index("docs", "n", models.IntegerIndexParams(type="integer", range=True, lookup=False))
    client.create_payload_index("docs", "language", models.PayloadSchemaType.KEYWORD)
    client.upsert("docs", plain_points())
    Bench(wire).augment()
    docs, better = client.get_collection("docs"), client.get_collection("better")
    assert better.config.params == docs.config.params
    assert isinstance(better.config.params.vectors, dict)  # the unnamed vector is still named ""
    for part in ("hnsw_config", "optimizer_config", "wal_config", "quantization_config"):
        assert getattr(better.config, part) == getattr(docs.config, part)
    assert better.payload_schema == docs.payload_schema
    assert set(better.payload_schema) == {"n", "language"}
    assert better.config.metadata is not None
    assert better.config.metadata["owner"] == {"team": "docs"}


def test_other_vectors_of_a_point_come_along_and_a_missing_one_stays_missing(
    client: QdrantClient, wire: WireServer
) -> None:
    late = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)
    vectors = {
        "text": models.VectorParams(size=8, distance=COSINE),
        "image": models.VectorParams(size=2, distance=models.Distance.DOT),
        "late": models.VectorParams(size=2, distance=models.Distance.DOT, multivector_config=late),
    }
    client.create_collection("docs", vectors, sparse_vectors_config={"words": models.SparseVectorParams()})
    sparse = models.SparseVector(indices=[3, 1], values=[0.5, 2.0])
    whole = {"text": vector_of("wifi"), "image": [1.5, 2.0], "late": [[1.0, 2.0], [3.0, 4.0]], "words": sparse}
    parts = {name: vector for name, vector in whole.items() if name != "text"}
    client.upsert(
        "docs",
        [
            models.PointStruct(id=1, vector=whole, payload={"text": "wifi is gone", "language": "en"}),
            models.PointStruct(id=2, vector=parts, payload={"text": "battery is full", "language": "en"}),
        ],
    )
    bench = Bench(wire)
    report = bench.augment(vector_name="text")
    assert (report.work.read, report.without_text, [asked for asked, _ in bench.generator.asked]) == (2, 1, ["1"])
    before, after = bench.contents("docs"), bench.contents()
    assert "text" not in after[2][1]
    for key in (1, 2):
        for name in ("image", "late", "words"):
            assert after[key][1][name] == before[key][1][name]
    assert bench.augment(vector_name="text").work.upserted == 0


def test_sharding_by_own_keys_is_refused(client: QdrantClient, wire: WireServer) -> None:
    vectors = models.VectorParams(size=8, distance=COSINE)
    client.create_collection("docs", vectors, sharding_method=models.ShardingMethod.CUSTOM)
    with pytest.raises(StoreError, match="sharded by keys of its own"):
        Bench(wire).augment()
