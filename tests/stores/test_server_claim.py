"""A collection that an operator made, empty, with shards, quantisation or vectors on disk, is taken as it is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from qdrant_client import models

from tests.fakes import FakeEncoder, FakeGenerator, fake_profile
from tests.ingest.test_claim import open_with
from tests.stores.samples import METADATA, make_point, make_store, remembered
from tests.stores.wire import Fault
from xqg.errors import FingerprintError, StoreError
from xqg.ingest.collection import open_collection
from xqg.protocols import Collection
from xqg.settings import IngestSettings, validated
from xqg.stores.server_preparation import CLAIM

MAX_SIM = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)


def make_by_hand(wire, size=4, several=False, name="docs", **vector):
    params = models.VectorParams(
        size=size, distance=models.Distance.DOT, multivector_config=MAX_SIM if several else None, **vector
    )
    wire.local.create_collection(name, params, metadata={"owner": "someone"})


@pytest.mark.parametrize(
    "vector",
    [
        {},
        {"on_disk": True},
        {"datatype": models.Datatype.FLOAT16},
        {"quantization_config": models.ScalarQuantization(scalar=models.ScalarQuantizationConfig(type="int8"))},
        {"hnsw_config": models.HnswConfigDiff(m=8, on_disk=True)},
    ],
    ids=lambda vector: "+".join(vector) or "plain",
)
@pytest.mark.parametrize("several", [False, True])
def test_an_empty_collection_of_others_is_taken_with_its_configuration(wire, vector, several):
    make_by_hand(wire, several=several, **vector)
    store = make_store(wire)
    store.create(4, "dot", METADATA, several)
    store.upsert([make_point("a")])
    assert make_store(wire).describe() == Collection(4, "dot", 1, METADATA, several)
    told = wire.local.get_collection("docs").config
    assert told.metadata == {"owner": "someone", "xqg": METADATA}
    for name, value in vector.items():
        assert getattr(told.params.vectors, name) == value


@pytest.mark.parametrize(
    ("size", "several", "message"),
    [(5, False, "5 dimensions"), (8, True, "several vectors"), (8, False, None)],
)
def test_its_vectors_must_fit(wire, size, several, message):
    make_by_hand(wire, size, several)
    if message is None:
        assert open_with(make_store(wire), 0.5).fresh
        return
    with pytest.raises(StoreError, match=message):
        open_with(make_store(wire), 0.5)
    assert wire.local.get_collection("docs").config.metadata == {"owner": "someone"}


def test_one_that_holds_points_is_refused(wire):
    make_by_hand(wire, 8)
    wire.local.upsert("docs", [models.PointStruct(id=1, vector=[1.0] * 8, payload={"text": "x"})])
    with pytest.raises(StoreError, match="xqg did not make it"):
        open_with(make_store(wire), 0.5)
    with pytest.raises(StoreError, match="already has a collection"):
        make_store(wire).create(8, "dot", METADATA)


def test_a_plan_takes_nothing(wire):
    make_by_hand(wire, 8)
    values = {"store": {"spec": wire.url, "collection": "docs"}, "fusion": {"rule": "plain"}}
    settings = validated(IngestSettings, values)
    open_collection(make_store(wire), FakeEncoder(), None, settings, (), fake_profile, dry_run=True)
    assert wire.local.get_collection("docs").config.metadata == {"owner": "someone"}


@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.APPLY_THEN_DROP, Fault.DROP_HALFWAY])
def test_lost_answers_do_no_harm(wire, fault):
    make_by_hand(wire)
    wire.faults.every(2, fault)
    make_store(wire).create(4, "dot", METADATA)
    wire.faults.clear()
    assert (remembered(wire), wire.local.count("docs").count) == (METADATA, 0)


def test_what_a_killed_run_left_is_taken_by_one_with_the_same_settings_alone(wire):
    make_by_hand(wire)
    wire.faults.then(Fault.FORBIDDEN, Fault.FORBIDDEN, only="^(PATCH|POST .*delete)")
    with pytest.raises(StoreError):
        make_store(wire).create(4, "dot", METADATA)
    assert wire.local.retrieve("docs", [CLAIM])
    assert make_store(wire).describe() == Collection(4, "dot", 0, {})
    with pytest.raises(StoreError, match="with other settings"):
        make_store(wire).create(4, "dot", {"other": 1})
    make_store(wire).create(4, "dot", METADATA)
    assert make_store(wire).describe() == Collection(4, "dot", 0, METADATA)


def test_of_many_runs_those_of_one_setting_take_it(wire):
    for attempt in range(10):
        name = f"docs{attempt}"
        make_by_hand(wire, 8, name=name)
        barrier = Barrier(4)

        def take(alpha, name=name, barrier=barrier):
            store = make_store(wire, collection=name)
            barrier.wait()
            try:
                open_with(store, alpha)
            except (FingerprintError, StoreError):
                return None
            return alpha

        with ThreadPoolExecutor(4) as pool:
            won = set(pool.map(take, [0.5, 0.2, 0.5, 0.2])) - {None}
        assert len(won) == 1
        assert {make_store(wire, collection=name).describe().metadata["settings"]["alpha"]} == won
        assert FakeGenerator().asked == []
