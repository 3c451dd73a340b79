"""The embedded store's own affairs: its folder, its lock, and a process killed at any moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.stores.samples import METADATA, array, make_point
from xqg.errors import SettingsError, StoreError
from xqg.protocols import Collection
from xqg.stores.edge import EdgeStore
from xqg.stores.edge_engine import engine_errors

ROOT = Path(__file__).parents[2]


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
    assert sorted(item.name for item in (tmp_path / "docs").iterdir()) == ["shard", "xqg.json"]


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
    assert sorted(item.name for item in (tmp_path / "docs").iterdir()) == ["shard", "xqg.json"]


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


# ---- killed processes -------------------------------------------------------------------------------------

PRELUDE = """
import os, signal, sys
from pathlib import Path
import xqg.stores.edge as edge, xqg.stores.edge_files as edge_files
from tests.stores.samples import make_point
def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
def say(text): sys.stdout.write(f"{text}\\n"); sys.stdout.flush()
store = edge.EdgeStore(Path(sys.argv[1]), "docs")
"""

UPSERTS = """
store.create(4, "cosine", {})
with store.bulk_load():
    for number in range(100_000):
        store.upsert([make_point(f"{number}-{row}") for row in range(8)])
        say(number)
"""

METADATA_WRITES = """
store.create(4, "cosine", {"number": -1, "long": "x" * 50_000})
for number in range(100_000):
    store.write_metadata({"number": number, "long": "x" * 50_000})
    say(number)
"""

INDEXING = """
import time
import numpy as np
store.create(2048, "cosine", {})
vectors = np.random.default_rng(7).normal(size=(1600, 2048)).astype(np.float32)
with store.bulk_load():
    store.upsert([make_point(str(number), vector) for number, vector in enumerate(vectors)])
    say(0)
say(1)
time.sleep(60)
"""


def start(tmp_path, script):
    return subprocess.Popen(
        [sys.executable, "-c", PRELUDE + script, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def kill_after(tmp_path, script, lines, seconds):
    """Kill the script ``seconds`` after it said so many ``lines``; returns the last number that it said."""
    process = start(tmp_path, script)
    said = [process.stdout.readline() for _ in range(lines)]
    time.sleep(seconds)
    process.kill()
    rest = process.stdout.read().splitlines()
    assert process.wait() == -signal.SIGKILL
    return int([*said, *rest][-1])


@pytest.mark.parametrize(("lines", "seconds"), [(1, 0.0), (3, 0.002), (20, 0.005), (60, 0.011)])
def test_killed_while_storing_loses_nothing_that_was_returned(tmp_path, lines, seconds):
    last = kill_after(tmp_path, UPSERTS, lines, seconds)
    names = [f"{number}-{row}" for number in range(last + 1) for row in range(8)]
    store = EdgeStore(tmp_path, "docs")
    assert list(store.ledger(names)) == names
    assert {point.vector.tolist()[0] for point in store.points(names, with_vectors=True)} == {1.0}
    with store.bulk_load():
        store.upsert([make_point("after")])
    assert list(store.ledger(["after"])) == ["after"]
    store.close()


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.3])
def test_killed_while_indexing_loses_nothing(tmp_path, seconds):
    kill_after(tmp_path, INDEXING, 1, seconds)
    store = EdgeStore(tmp_path, "docs")
    assert store.describe().points == 1600
    assert len(store.ledger([str(number) for number in range(1600)])) == 1600
    store.close()


@pytest.mark.parametrize(("lines", "seconds"), [(1, 0.0), (5, 0.001), (9, 0.0023)])
def test_killed_while_writing_metadata_leaves_the_old_or_the_new(tmp_path, lines, seconds):
    last = kill_after(tmp_path, METADATA_WRITES, lines, seconds)
    store = EdgeStore(tmp_path, "docs")
    metadata = store.describe().metadata
    assert metadata["number"] in (last, last + 1)
    assert metadata["long"] == "x" * 50_000
    store.close()


MOMENTS_OF_CREATE = {
    "before anything": "edge.shutil.rmtree = die; (Path(sys.argv[1]) / 'docs' / 'shard.draft').mkdir(parents=True)",
    "half a shard": "import qdrant_edge; qdrant_edge.UpdateOperation = type('U', (), {'create_field_index': die})",
    "before the sidecar": "edge.write_sidecar = die",
    "in the sidecar": "edge_files.os.fsync = die",
    "before the sidecar's place": "Path.replace = die",
    "between sidecar and shard": "Path.rename = die",
}


@pytest.mark.parametrize("moment", MOMENTS_OF_CREATE)
def test_killed_while_creating_can_be_created_again(tmp_path, moment):
    process = start(tmp_path, MOMENTS_OF_CREATE[moment] + "\nstore.create(4, 'cosine', {'first': 1})")
    assert process.wait() == -signal.SIGKILL
    store = EdgeStore(tmp_path, "docs")
    assert store.describe() is None
    store.create(4, "dot", {"second": 2})
    store.upsert([make_point("a")])
    assert store.describe() == Collection(4, "dot", 1, {"second": 2})
    store.close()


def test_killed_right_after_creating_is_created(tmp_path):
    process = start(tmp_path, "edge.sync_folder = die\nstore.create(4, 'cosine', {'first': 1})")
    assert process.wait() == -signal.SIGKILL
    store = EdgeStore(tmp_path, "docs")
    assert store.describe() == Collection(4, "cosine", 0, {"first": 1})
    store.close()


@pytest.mark.parametrize(
    ("moment", "expected"),
    [("edge_files.os.fsync = die", 1), ("Path.replace = die", 1), ("edge_files.sync_folder = die", 2)],
)
def test_killed_at_each_step_of_writing_metadata(tmp_path, moment, expected):
    script = f"store.create(4, 'cosine', {{'number': 1}}); {moment}; store.write_metadata({{'number': 2}})"
    assert start(tmp_path, script).wait() == -signal.SIGKILL
    store = EdgeStore(tmp_path, "docs")
    assert store.describe().metadata == {"number": expected}
    store.write_metadata({"number": 3})
    assert store.describe().metadata == {"number": 3}
    store.close()


def test_another_process_holds_the_folder(tmp_path):
    holder = start(tmp_path, "store.create(4, 'cosine', {}); store.describe(); say('open'); sys.stdin.read()")
    try:
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(StoreError, match="is open elsewhere"):
            EdgeStore(tmp_path, "docs").describe()
    finally:
        holder.kill()
        holder.wait()
    store = EdgeStore(tmp_path, "docs")
    assert store.describe() == Collection(4, "cosine", 0, {})
    store.close()
