"""A process killed at any moment: nothing that was returned is lost, and the store can be opened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.stores.samples import make_point
from xqg.errors import StoreError
from xqg.protocols import Collection
from xqg.stores.edge import EdgeStore

ROOT = Path(__file__).parents[2]

PRELUDE = """
import os, signal, sys
from pathlib import Path
from xqg.stores import edge, edge_engine, edge_files
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
    assert {float(point.rows[0, 0]) for point in store.points(names, with_vectors=True)} == {1.0}
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
    "before anything": "edge_engine.shutil.rmtree = die; (store._place / 'shard.draft').mkdir(parents=True)",
    "half a shard": "import qdrant_edge; qdrant_edge.UpdateOperation = type('U', (), {'create_field_index': die})",
    "before the sidecar": "edge_engine.write_sidecar = die",
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
    process = start(tmp_path, "edge_engine.sync_folder = die\nstore.create(4, 'cosine', {'first': 1})")
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
        with pytest.raises(StoreError, match=rf"is open elsewhere: by process {holder.pid} on "):
            EdgeStore(tmp_path, "docs").describe()
    finally:
        holder.kill()
        holder.wait()
    store = EdgeStore(tmp_path, "docs")
    assert store.describe() == Collection(4, "cosine", 0, {})
    store.close()


def test_of_two_processes_that_make_one_collection_at_once_one_is_told_of_the_other(tmp_path):
    holder = start(
        tmp_path, "edge.create_shard = lambda *_: (say('making'), sys.stdin.read())\nstore.create(4, 'dot', {})"
    )
    try:
        assert holder.stdout.readline() == "making\n"
        store = EdgeStore(tmp_path, "docs")
        assert store.describe() is None
        with pytest.raises(StoreError, match=rf"is open elsewhere: by process {holder.pid} on "):
            store.create(4, "cosine", {})
    finally:
        holder.kill()
        holder.wait()
    store.create(4, "cosine", {"now": "free"})
    store.upsert([make_point("a")])
    store.close()
    assert EdgeStore(tmp_path, "docs").describe() == Collection(4, "cosine", 1, {"now": "free"})
