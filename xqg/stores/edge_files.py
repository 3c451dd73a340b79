"""The files of an embedded collection: its folder, the sidecar with the metadata, and what a crash may leave."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xqg.errors import PARSING_ERRORS, StoreError

SIDECAR = "xqg.json"
SIDECAR_DRAFT = "xqg.json.draft"
SHARD = "shard"
SHARD_DRAFT = "shard.draft"
"""A collection is made beside its place and then renamed: where `SHARD` is, it is whole."""

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
        strangers = sorted({item.name for item in place.iterdir()} - {SIDECAR, SIDECAR_DRAFT, SHARD_DRAFT})
    except OSError as error:
        raise StoreError(f"{place} cannot be read: {error}", "asked for an xqg store") from error
    if strangers:
        raise _no_store(place, f"is no xqg store: it holds {', '.join(strangers[:3])}")
    return False


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
        raise StoreError(f"{place / SIDECAR} cannot be read: {error}", "asked for an xqg store") from error
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
        raise StoreError(f"{place / SIDECAR} cannot be written: {error}", "asked to keep metadata") from error
    except PARSING_ERRORS as error:
        raise StoreError(f"The metadata is no JSON: {error}", "asked to keep metadata") from error


def sync_folder(folder: Path) -> None:
    """Make renames in ``folder`` outlast a power cut; Windows knows no such call and needs none."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def damaged(place: Path, reason: str) -> StoreError:
    """The error for a collection whose files are not as they should be."""
    return StoreError(
        f"The collection at {place} is damaged: {reason}",
        "asked to open it",
        "Restore it from a copy, or delete the folder and ingest again",
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
    return StoreError(f"{place} {what}", "asked for the folder of an xqg store", "Name another folder or collection")
