"""The files of an embedded collection: its folder, the sidecar with the metadata, and what a crash may leave."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xqg.errors import PARSING_ERRORS, StoreError
from xqg.folder_lock import LOCK, FolderLock

SIDECAR = "xqg.json"
SIDECAR_DRAFT = "xqg.json.draft"
SHARD = "shard"
SHARD_DRAFT = "shard.draft"
"""A collection is made beside its place and then renamed: where `SHARD` is, it is whole."""

LEAST_ROOM = 128 * 2**20
"""Bytes that have to be free beside what is written: some file systems fill the holes of the engine's files, 32 MB
each, when they are next opened."""

COPIES = 4
"""How often a point is written: journal, vectors, payload, and what the engine merges meanwhile."""

_AGAIN = "Free some space and run the command again: what was stored stays"
_REFUSALS = (
    (r"os error 28\b|no space left|os error 122\b|quota|disk.{0,20}full", "The disk is full", _AGAIN),
    (r"os error 30\b|read-only", "The disk is read-only", "Take a folder that can be written, also for a search"),
    (r"os error (1|13)\b|permission denied|not permitted", "Permission is denied", "Give this user the rights"),
    (r"os error (23|24)\b|too many open files", "Too many files are open", "Raise the limit (ulimit -n 4096)"),
    (r"os error 12\b|cannot allocate|out of memory", "Memory ran out", "Close other programs and run it again"),
    (r"os error 5\b|input/output error", "The disk has a fault", "Check the disk"),
)
"""What the operating system may refuse, and what helps."""

_SHARD_PARTS = ("edge_config.json", "segments", "wal")


@dataclass(frozen=True)
class Sidecar:
    """What the engine does not keep: its vectors for a look from outside, and xqg's metadata."""

    dimension: int
    distance: str
    metadata: Mapping[str, Any]
    multivector: bool = False


def collection_exists(place: Path) -> bool:
    """Whether ``place`` holds a finished collection; writes nothing.

    A folder that a crash left half made counts as none: it has no `SHARD` yet, so nothing was stored in it.

    :raises StoreError: if ``place`` is something else, or parts of the collection are missing.
    """
    try:
        if (place / SHARD).is_dir():
            _check_parts(place)
            return True
        if not place.exists():
            _check_parents(place)
            return False
        if not place.is_dir():
            raise _no_store(place, "is a file")
        strangers = sorted({item.name for item in place.iterdir()} - {SIDECAR, SIDECAR_DRAFT, SHARD_DRAFT, LOCK})
    except OSError as error:
        raise StoreError(f"{place} cannot be read: {error}", "an xqg store") from error
    if strangers:
        raise _no_store(place, f"is no xqg store: it holds {', '.join(strangers[:3])}")
    return False


def lock_collection(place: Path) -> FolderLock:
    """Have the folder of a collection to oneself. :raises StoreError: tells who has it."""
    remedy = "Wait for it or end it, or use a Qdrant server, which serves many"
    return FolderLock(place, f"The collection at {place} is open elsewhere", remedy, StoreError)


def read_sidecar(place: Path) -> Sidecar:
    """The sidecar of the collection at ``place``. :raises StoreError: if it cannot be read."""
    try:
        values = json.loads((place / SIDECAR).read_text(encoding="utf-8"))
        return Sidecar(
            int(values["dimension"]),
            str(values["distance"]),
            dict(values["metadata"]),
            bool(values.get("multivector", False)),
        )
    except OSError as error:
        raise StoreError(f"{place / SIDECAR} cannot be read: {error}", "the metadata of an xqg store") from error
    except PARSING_ERRORS as error:
        raise damaged(place, f"{SIDECAR}: {type(error).__name__}: {error}") from error


def write_sidecar(place: Path, sidecar: Sidecar) -> None:
    """Replace the sidecar in one step: after a crash there is the old one or the new one, never half of one.

    :raises StoreError: if the metadata is no JSON or the disk refuses.
    """
    values = {"dimension": sidecar.dimension, "distance": sidecar.distance, "metadata": dict(sidecar.metadata)}
    if sidecar.multivector:
        values["multivector"] = True
    draft = place / SIDECAR_DRAFT
    try:
        text = json.dumps(values, ensure_ascii=False, allow_nan=False, indent=1)
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(place / SIDECAR)
        sync_folder(place)
    except OSError as error:
        raise StoreError(f"{place / SIDECAR} cannot be written: {error}") from error
    except PARSING_ERRORS as error:
        raise StoreError(f"The metadata is no JSON: {error}") from error


def sync_folder(folder: Path) -> None:
    """Make renames in ``folder`` outlast a power cut; Windows knows no such call and needs none."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def require_room(place: Path, written: int = 0) -> None:
    """See that the disk has room for ``written`` bytes of points: the engine maps its files, and is killed where a
    page of one finds no place on the disk.

    :raises StoreError: says how much is free.
    """
    free, needed = _free_bytes(place), LEAST_ROOM + COPIES * written
    if free < needed:
        raise StoreError(
            f"The disk of {place} has {free / 2**20:.0f} MB left",
            f"{needed / 2**20:.0f} MB for what is written",
            _AGAIN,
        )


def has_room_for_a_copy(place: Path) -> bool:
    """Whether the disk could hold the collection once more, as it has to while it is indexed."""
    sizes = [path.stat() for path in place.rglob("*") if path.is_file()]
    used = sum(size.st_blocks * 512 if hasattr(os, "statvfs") else size.st_size for size in sizes)
    return _free_bytes(place) >= LEAST_ROOM + used


def _free_bytes(place: Path) -> int:
    existing = next(folder for folder in (place, *place.parents) if folder.exists())
    return shutil.disk_usage(existing).free


def system_error(place: Path, text: str, task: str) -> StoreError | None:
    """What the operating system refused, where an error of the engine tells of that; None where it does not.

    None of it is damage: the collection is whole, and must not be deleted for it.
    """
    for pattern, found, remedy in _REFUSALS:
        if re.search(pattern, text, re.IGNORECASE):
            return StoreError(f"{found} at {place}: {' '.join(text.split())[:300]}", f"to {task}", remedy)
    return None


def damaged(place: Path, reason: str) -> StoreError:
    """The error for a collection whose files are not as they should be."""
    return StoreError(
        f"The collection at {place} is damaged: {reason}",
        remedy="Restore it from a copy, or delete the folder and ingest again",
    )


def _check_parts(place: Path) -> None:
    # the engine opens a shard without its segments as an empty one, which would pass loss off as "nothing stored"
    missing = [f"{SHARD}/{part}" for part in _SHARD_PARTS if not (place / SHARD / part).exists()]
    if not (place / SIDECAR).exists():
        missing.append(SIDECAR)
    if missing:
        raise damaged(place, f"{', '.join(missing)} missing")


def _check_parents(place: Path) -> None:
    for parent in place.parents:
        if parent.exists():
            if not parent.is_dir():
                raise _no_store(parent, "is a file")
            return


def _no_store(place: Path, what: str) -> StoreError:
    return StoreError(f"{place} {what}", "the folder of an xqg store", "Name another folder or collection")
