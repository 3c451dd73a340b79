"""`xqg augment` on a server whose collections are in strict mode: the same comes of it as without."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qdrant_client import models

from tests.augment.setting import Bench, make_source, plain_points
from tests.fakes import WORDS
from tests.stores.strict import StrictMode
from tests.stores.test_strict_mode import ALL, LIMITS
from tests.stores.wire import CollectionSettings, WireServer
from xqg.augment.job import roll_back
from xqg.records import FieldMatch
from xqg.settings import StoreSettings
from xqg.stores.catalog import open_server_store
from xqg.stores.server import Server

TEXTS = [f"{WORDS[n % 6]} number {n}" for n in range(60)]


def catch_up(bench: Bench) -> tuple[Any, ...]:
    """Augment, change the source, augment again; what each run did, and what there is at the end."""
    local = bench.wire.local
    local.upsert("docs", plain_points(TEXTS))
    first = bench.augment(alias="live")
    local.upsert("docs", plain_points(["valve is new"], first=100))
    local.upsert("better", plain_points(["refund is mine"], first=200))
    local.delete("docs", list(range(1, 31)))
    second = bench.augment(alias="live")
    return first.work.upserted, second.work.upserted, second.work.deleted, second.settled, bench.contents()


@pytest.mark.parametrize("limits", [*LIMITS, ALL], ids=lambda limits: "+".join(limits) or "none")
def test_augmenting_catching_up_and_rolling_back_within_each_limit(limits: dict[str, Any]) -> None:
    with WireServer() as free, WireServer() as strict:
        for server in (free, strict):
            make_source(server)
        strict.strict = StrictMode({"enabled": True, **limits})
        expected, found = catch_up(Bench(free)), catch_up(Bench(strict))
        assert found[:4] == expected[:4] == (60, 2, 30, True)
        assert found[4].keys() == expected[4].keys()
        assert all(found[4][key] == expected[4][key] for key in found[4])
        settings = StoreSettings(spec=strict.url, collection="better")
        server = Server(settings, lambda seconds: None)
        assert roll_back(server, "better", "live")["now"] == "docs"
        server.close()


def test_an_index_that_is_asked_for_is_made_where_the_payloads_have_the_field(wire: WireServer) -> None:
    make_source(wire)
    wire.strict = StrictMode({"enabled": True, "unindexed_filtering_retrieve": False})
    wire.settings["docs"] = CollectionSettings(payload_schema={"language": "keyword"})
    with Bench(wire).job(index=("n:integer",)) as job:
        job.run()
    assert wire.settings["better"].payload_schema == {"language": "keyword", "n": "integer"}
    store = open_server_store(StoreSettings(spec=wire.url, collection="better"))
    question = np.eye(len(WORDS), dtype=np.float32)[:1]
    (hits,) = store.search(question, 9, [FieldMatch("n", (2,), ">="), FieldMatch("language", ("en",))])
    assert sorted(hit.passage.metadata["n"] for hit in hits) == [2, 3, 4, 5]
    store.close()


def test_a_tenants_key_beside_the_metadata_is_found_and_indexed_there(wire: WireServer) -> None:
    make_source(wire)
    for point in plain_points():
        payload = {"page_content": point.payload["text"], "metadata": {"n": point.id}, "group_id": f"g{point.id % 2}"}
        wire.local.overwrite_payload("docs", payload, [point.id])
    with Bench(wire).job(index=("group_id:keyword", "n:integer")) as job:
        job.run()
    assert wire.settings["better"].payload_schema == {"group_id": "keyword", "metadata.n": "integer"}
    store = open_server_store(StoreSettings(spec=wire.url, collection="better"))
    (hits,) = store.search(np.eye(len(WORDS), dtype=np.float32)[:1], 9, [FieldMatch("group_id", ("g0",))])
    assert sorted(hit.passage.id for hit in hits) == ["2", "4"]
    store.close()


def test_what_langchain4j_cannot_read_is_not_written_and_all_is_caught_up(wire: WireServer) -> None:
    make_source(wire)
    local, bench = wire.local, Bench(wire)

    def overwrite(name: str, points: list[models.PointStruct]) -> None:
        for point in points:
            assert point.payload is not None
            local.overwrite_payload(name, {"text_segment": point.payload["text"], "n": 1.5}, [point.id])

    overwrite("docs", plain_points())
    assert bench.augment(alias="live").work.upserted == 5
    local.upsert("better", plain_points(["refund is mine"], first=200))
    overwrite("better", plain_points(["refund is mine"], first=200))
    local.delete("docs", [1])
    report = bench.augment(alias="live")
    assert (report.work.deleted, report.in_place, report.settled) == (1, 1, True)
    assert bench.augment(alias="live").work.upserted == 0
    contents = bench.contents()
    assert sorted(contents) == [2, 3, 4, 5, 200]
    assert all(isinstance(value, str | float) for payload, _ in contents.values() for value in payload.values())


@pytest.mark.parametrize(
    "arguments",
    [
        {"quantization_config": models.ScalarQuantization(scalar=models.ScalarQuantizationConfig(type="int8"))},
        {"shard_number": 3, "replication_factor": 2},
        {"on_disk_payload": True},
        {"hnsw_config": models.HnswConfigDiff(on_disk=True, m=0, payload_m=16)},
    ],
    ids=lambda arguments: "+".join(arguments),
)
def test_collections_as_operators_make_them_are_taken(wire: WireServer, arguments: dict[str, Any]) -> None:
    make_source(wire)
    asked = {key: as_json(value) for key, value in arguments.items()}
    wire.settings["docs"] = CollectionSettings(asked=asked)
    assert Bench(wire).augment().settled
    made = wire.settings["better"].asked
    for key, value in asked.items():
        assert value.items() <= made[key].items() if isinstance(value, dict) else value == made[key]


def as_json(value: Any) -> Any:
    return value.model_dump(mode="json", exclude_none=True) if hasattr(value, "model_dump") else value
