"""The embedded store's own affairs: its folder, its lock, its index."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import qdrant_edge as engine

from tests.stores.samples import METADATA, array, make_point
from xqg.errors import SettingsError, StoreError
from xqg.protocols import Collection
from xqg.records import point_id
from xqg.stores.edge import EdgeStore
from xqg.stores.edge_engine import engine_errors
from xqg.stores.payload import to_payload


def make_store(folder, names=("a",)):
    store = EdgeStore(folder, "docs")
    store.create(4, "cosine", METADATA)
    store.upsert([make_point(name) for name in names])
    store.close()


def test_a_new_store_touches_no_file(tmp_path):
    store = EdgeStore(tmp_path / "deep" / "stores", "docs")
    assert store.describe() is None
    store.close()
    assert list(tmp_path.iterdir()) == []


def test_looking_at_a_closed_store_changes_nothing_it_keeps(tmp_path):
    make_store(tmp_path)
    sidecar = (tmp_path / "docs" / "xqg.json").read_bytes()
    with_store = EdgeStore(tmp_path, "docs")
    assert with_store.describe() == Collection(4, "cosine", 1, METADATA)
    with_store.close()
    assert (tmp_path / "docs" / "xqg.json").read_bytes() == sidecar
    assert sorted(item.name for item in (tmp_path / "docs").iterdir()) == ["shard", "xqg.json", "xqg.lock"]


def test_the_sidecar_can_be_read_by_people(tmp_path):
    make_store(tmp_path)
    sidecar = json.loads((tmp_path / "docs" / "xqg.json").read_text(encoding="utf-8"))
    assert sidecar == {"dimension": 4, "distance": "cosine", "metadata": METADATA}


@pytest.mark.parametrize("name", [".", ".."])
def test_a_collection_stays_in_its_folder(tmp_path, name):
    with pytest.raises(SettingsError, match="no name for a collection"):
        EdgeStore(tmp_path, name)


def test_an_empty_folder_is_no_collection_but_a_place_for_one(tmp_path):
    (tmp_path / "docs").mkdir()
    store = EdgeStore(tmp_path, "docs")
    assert store.describe() is None
    store.create(4, "dot", {})
    assert store.describe() == Collection(4, "dot", 0, {})
    store.close()


def test_a_folder_of_something_else_is_refused_and_left_alone(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "thesis.txt").write_text("years of work")
    store = EdgeStore(tmp_path, "docs")
    for call in (store.describe, lambda: store.create(4, "cosine", {}), lambda: store.ledger(["a"])):
        with pytest.raises(StoreError, match=r"is no xqg store: it holds thesis\.txt"):
            call()
    assert (tmp_path / "docs" / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("collection", ["file", "file/deeper"])
def test_a_file_in_the_way(tmp_path, collection):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="is a file"):
        EdgeStore(tmp_path, collection).describe()


def test_a_folder_that_may_not_be_made(tmp_path):
    (tmp_path / "docs").symlink_to(tmp_path / "docs")  # a loop: every access fails, also for root
    with pytest.raises(StoreError, match=r"docs cannot be (read|used)"):
        EdgeStore(tmp_path, "docs").create(4, "cosine", {})


def test_a_store_half_made_by_a_crash_is_made_anew(tmp_path):
    make_store(tmp_path)
    (tmp_path / "docs" / "shard").rename(tmp_path / "docs" / "shard.draft")
    store = EdgeStore(tmp_path, "docs")
    assert store.describe() is None
    store.create(2, "dot", {"new": True})
    assert store.describe() == Collection(2, "dot", 0, {"new": True})
    store.close()
    assert sorted(item.name for item in (tmp_path / "docs").iterdir()) == ["shard", "xqg.json", "xqg.lock"]


@pytest.mark.parametrize("part", ["xqg.json", "shard/segments", "shard/wal", "shard/edge_config.json"])
def test_a_missing_part_is_damage_and_not_an_empty_store(tmp_path, part):
    make_store(tmp_path)
    (tmp_path / "docs" / part).rename(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match=f"damaged: {part} missing"):
        EdgeStore(tmp_path, "docs").describe()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"dimension": 4}'])
def test_a_broken_sidecar_is_damage_and_gives_the_folder_free(tmp_path, content):
    make_store(tmp_path)
    (tmp_path / "docs" / "xqg.json").write_text(content)
    store = EdgeStore(tmp_path, "docs")
    for _ in range(2):
        with pytest.raises(StoreError, match=r"damaged: xqg\.json"):
            store.describe()


def test_a_sidecar_says_where_points_have_several_rows(tmp_path):
    store = EdgeStore(tmp_path, "docs")
    store.create(2, "dot", {"a": 1}, multivector=True)
    store.write_metadata({"a": 2})
    store.close()
    sidecar = json.loads((tmp_path / "docs" / "xqg.json").read_text(encoding="utf-8"))
    assert sidecar == {"dimension": 2, "distance": "dot", "metadata": {"a": 2}, "multivector": True}
    assert EdgeStore(tmp_path, "docs").describe() == Collection(2, "dot", 0, {"a": 2}, multivector=True)


def test_rows_are_kept_as_float16_with_more_links_and_one_vector_as_ever(tmp_path):
    for name, several in (("plain", False), ("views", True)):
        store = EdgeStore(tmp_path, name)
        store.create(2, "cosine", {}, several)
        store.close()
    plain, views = (
        json.loads((tmp_path / name / "shard" / "edge_config.json").read_text())["vectors"][""]
        for name in ("plain", "views")
    )
    assert plain == {"size": 2, "distance": "Cosine"}
    assert (views["datatype"], views["hnsw_config"]["m"]) == ("float16", 32)
    assert views["multivector_config"] == {"comparator": "max_sim"}


def test_what_an_older_version_stored_by_language_can_be_read(tmp_path):
    make_store(tmp_path)
    shard = tmp_path / "docs" / "shard"
    shutil.rmtree(shard)
    vector = engine.EdgeVectorParams(size=4, distance=engine.Distance.Cosine)
    old = engine.EdgeShard.create(str(shard), engine.EdgeConfig(vectors={"": vector, "fr": vector}, wal_enabled=True))
    payload, vectors = to_payload(make_point("old"))[0], {"": [1.0, 0, 0, 0], "fr": [0, 1.0, 0, 0]}
    old.update(engine.UpdateOperation.upsert_points([engine.Point(point_id("old"), vectors, payload)]))
    old.close()
    store = EdgeStore(tmp_path, "docs")
    (point,) = store.points(with_vectors=True)
    assert (point.passage.id, point.rows.tolist()) == ("old", [[1, 0, 0, 0]])
    assert [hit.score for hit in store.search(array(3, 4, 0, 0)[None], 2)[0]] == pytest.approx([0.6], abs=1e-6)
    store.close()


def test_a_broken_segment_is_damage(tmp_path):
    make_store(tmp_path)
    (config,) = (tmp_path / "docs" / "shard" / "segments").glob("*/segment.json")
    config.write_text("garbage")
    with pytest.raises(StoreError, match=r"damaged: .*segment"):
        EdgeStore(tmp_path, "docs").describe()


def test_a_panic_of_the_engine_is_an_error_of_ours_and_an_interrupt_is_not(tmp_path):
    panic = type("PanicException", (BaseException,), {})
    with pytest.raises(StoreError, match="damaged: assertion failed"), engine_errors(tmp_path, "search"):
        raise panic("assertion failed")
    with pytest.raises(KeyboardInterrupt), engine_errors(tmp_path, "search"):
        raise KeyboardInterrupt


def test_a_folder_open_elsewhere(tmp_path):
    make_store(tmp_path)
    first, second = EdgeStore(tmp_path, "docs"), EdgeStore(tmp_path, "docs")
    first.describe()
    for call in (second.describe, lambda: second.write_metadata({}), lambda: second.upsert([make_point("b")])):
        with pytest.raises(StoreError, match="is open elsewhere"):
            call()
    first.close()
    assert second.describe().metadata == METADATA
    second.close()


class Spy:
    """A shard that counts how often it is told to optimise."""

    def __init__(self, shard):
        self.shard, self.optimised = shard, 0

    def __getattr__(self, name):
        return getattr(self.shard, name)

    def optimize(self):
        self.optimised += 1
        return self.shard.optimize()


@pytest.fixture
def spied(tmp_path):
    make_store(tmp_path)
    store = EdgeStore(tmp_path, "docs")
    store.describe()
    store._shard = Spy(store._shard)
    yield store
    store.close()


def test_bulk_load_optimises_only_what_was_stored_inside(spied):
    spied.upsert([make_point("before")])
    with spied.bulk_load():
        spied.search(array(1, 0, 0, 0)[None], 1)
    assert spied._shard.optimised == 0
    with spied.bulk_load():
        spied.upsert([make_point("b")])
        spied.upsert([make_point("c")])
    assert spied._shard.optimised == 1
    with pytest.raises(ZeroDivisionError), spied.bulk_load():
        spied.upsert([make_point("d")])
        raise ZeroDivisionError
    assert spied._shard.optimised == 2


def test_a_failing_index_does_not_hide_the_first_error(spied, caplog):
    def fail():
        raise RuntimeError("disk full")

    spied._shard.optimize = fail
    with pytest.raises(ZeroDivisionError), spied.bulk_load():
        spied.upsert([make_point("d")])
        raise ZeroDivisionError
    assert "disk full" in caplog.text
    with pytest.raises(StoreError, match="disk full"), spied.bulk_load():
        spied.upsert([make_point("d")])


def test_exact_search_goes_around_the_index(tmp_path):
    """1,600 vectors of 2,048 numbers are above the engine's threshold, so after a bulk load there is an index."""
    generator = np.random.default_rng(7)
    vectors = generator.normal(size=(1600, 2048)).astype(np.float32)
    store = EdgeStore(tmp_path, "docs")
    store.create(2048, "cosine", {})
    with store.bulk_load():
        for start in range(0, len(vectors), 200):
            store.upsert([make_point(str(row), vectors[row]) for row in range(start, start + 200)])
    assert store._shard.info().indexed_vectors_count > 0
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    (hits,) = store.search(vectors[:1], 10, exact=True)
    assert [int(hit.passage.id) for hit in hits] == np.argsort(-(unit @ unit[0]))[:10].tolist()
    store.close()
