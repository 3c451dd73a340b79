"""The lock of an embedded collection's folder: one has it, the others are told who."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.stores.first_ingests import run_pairs
from tests.stores.samples import METADATA, make_point
from xqg.errors import StoreError
from xqg.folder_lock import LOCK, FolderLock
from xqg.stores.edge import EdgeStore
from xqg.stores.edge_files import lock_collection


def test_of_many_that_make_one_collection_at_once_one_does_and_nothing_is_lost(tmp_path):
    for attempt in range(20):
        stores = [EdgeStore(tmp_path, f"docs{attempt}") for _ in range(4)]
        barrier = threading.Barrier(len(stores))

        def make(store, barrier=barrier):
            barrier.wait()
            try:
                store.create(4, "cosine", METADATA)
            except StoreError as refusal:
                return str(refusal)
            store.upsert([make_point("a")])
            return None

        with ThreadPoolExecutor(len(stores)) as pool:
            errors = list(pool.map(make, stores))
        assert errors.count(None) == 1
        told = [error for error in errors if error is not None]
        assert all("is open elsewhere: by process" in error or "already is a collection" in error for error in told)
        for store in stores:
            store.close()
        last = EdgeStore(tmp_path, f"docs{attempt}")
        assert [point.passage.text for point in last.points()] == ["text of a"]
        last.close()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x"}'])
def test_a_lock_whose_holder_cannot_be_told_holds_all_the_same(tmp_path, content):
    first, second = FolderLock(tmp_path / "docs"), tmp_path / "docs" / LOCK
    second.write_text(content)
    with pytest.raises(StoreError, match="open elsewhere: by another process"):
        lock_collection(tmp_path / "docs")
    first.release()
    first.release()
    FolderLock(tmp_path / "docs").release()


@pytest.mark.skipif(os.name == "nt", reason="files are not inherited there")
def test_a_child_process_does_not_keep_the_lock(tmp_path):
    lock = FolderLock(tmp_path)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"], pass_fds=[lock._file.fileno()])
    try:
        lock.release()
        FolderLock(tmp_path).release()
    finally:
        child.kill()
        child.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="no fork there, or none that is safe")
def test_two_first_ingests_at_once_lose_nothing():
    outcomes = run_pairs(3)
    assert outcomes["stored"] >= 3
    assert outcomes.total() == 6
