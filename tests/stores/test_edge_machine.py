"""A machine that refuses: no room, read-only, too many files. It is told as what it is, and never as damage."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from xqg.errors import StoreError
from xqg.protocols import Point
from xqg.records import LedgerEntry, Passage, Texts
from xqg.stores.edge import EdgeStore
from xqg.stores.edge_engine import OPENING, engine_errors
from xqg.stores.edge_files import LEAST_ROOM


def point(name: str) -> Point:
    return Point(Passage(name, "text"), LedgerEntry("", "", "", "", Texts()), np.ones((1, 4), np.float32))


def leave(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))


def test_a_disk_without_room_is_told_before_the_engine_dies_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = EdgeStore(tmp_path / "a" / "b", "c")
    leave(monkeypatch, LEAST_ROOM - 1)
    with pytest.raises(StoreError, match=r"The disk of .* has 128 MB left.*Free some space"):
        store.create(4, "dot", {})
    leave(monkeypatch, LEAST_ROOM + 4 * 16)
    store.create(4, "dot", {})
    with store.bulk_load():
        store.upsert([point("a")])
        leave(monkeypatch, LEAST_ROOM + 4 * 16 - 1)
        with pytest.raises(StoreError, match="what was stored stays"):
            store.upsert([point("b")])
    assert "no room to index" in caplog.text
    described = store.describe()
    assert described is not None
    assert described.points == 1
    store.close()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Service runtime error: No space left on device (os error 28)", "The disk is full"),
        ("failed to load segment: Failed to open mmap: Read-only file system (os error 30)", "The disk is read-only"),
        ("failed to open: Permission denied (os error 13)", "Permission is denied"),
        ("IO error: Too many open files (os error 24)", "Too many files are open"),
        ("Cannot allocate memory (os error 12)", "Memory ran out"),
    ],
)
@pytest.mark.parametrize("kind", [Exception, OSError, RuntimeError])
def test_what_the_system_refuses_is_no_damage(kind: Any, text: str, found: str, tmp_path: Path) -> None:
    for asked in (OPENING, "store points"):
        with pytest.raises(StoreError, match=found) as refused, engine_errors(tmp_path, asked):
            raise kind(text)
        assert "damaged" not in str(refused.value)
        assert "delete" not in str(refused.value)


def test_damage_is_still_damage(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="damaged"), engine_errors(tmp_path, OPENING):
        raise RuntimeError("checksum does not match")
