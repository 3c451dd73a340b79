"""Routes of collections: make, list, show, delete."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, Body, HTTPException, Query

from xqg.protocols import VectorStore
from xqg.search.show import describe_collection
from xqg.service.answers import Answer, not_found
from xqg.service.jobs import QUEUED, RUNNING
from xqg.service.service import Here, Name, Service
from xqg.stores.catalog import drop_collection

router = APIRouter(prefix="/v1/collections", tags=["collections"])

MOST_COUNTED = 20_000
"""Passages of a collection whose queries are still counted at each request."""


@router.get("")
def list_collections(here: Here) -> Answer:
    """All collections with their number of passages and of jobs that wait or run."""
    waiting = Counter(job.collection for job in here.queue.recent(1000, states=(QUEUED, RUNNING)))
    rows = [{**_summary(here, name), "waiting": waiting[name]} for name in here.collection_names()]
    return Answer({"collections": rows})


@router.put("/{name}")
def make_collection(name: Name, here: Here, settings: Annotated[dict[str, Any] | None, Body()] = None) -> Answer:
    """Make a collection, with settings such as `{"generator": "none"}`; the same again changes nothing.

    Groups: encoder, generator, fusion, reader, with names as in the settings file. 409 where it has other settings.
    """
    new = here.registry.put(name, settings or {})
    return Answer(_summary(here, name), 201 if new else 200)


@router.get("/{name}")
def show_collection(name: Name, here: Here) -> Answer:
    """Passages, settings, and how many queries there are in each language."""
    summary = _summary(here, name)
    store = here.parts.readable(name)
    found = store.describe()
    if found is not None and found.metadata and found.points <= MOST_COUNTED:
        summary |= describe_collection(found, store)
    return Answer(summary)


@router.delete("/{name}")
def delete_collection(
    name: Name, here: Here, confirm: Annotated[bool, Query(description="must be true")] = False
) -> Answer:
    """Delete a collection with all its passages; waiting jobs are cancelled. 409 while one runs."""
    if not confirm:
        raise HTTPException(400, "Deleting a collection cannot be undone: add ?confirm=true")
    if name not in here.collection_names():
        raise not_found(f"collection {name!r}")
    for job in here.queue.recent(100_000, name, (QUEUED,)):
        here.workers.cancel(job.id)
    if here.queue.recent(1, name, (QUEUED, RUNNING)):
        raise HTTPException(409, "A job writes to this collection: cancel it and wait for its end")
    here.registry.drop(name)
    here.parts.forget(name)
    here.runner.plain_vectors(name).drop()
    drop_collection(here.parts.place(name))
    return Answer({"deleted": name})


def require_store(here: Service, name: str) -> VectorStore | None:
    """The store of a collection, to read; None where it holds nothing yet.

    :raises HTTPException: 404 where there is no such collection.
    """
    store = here.parts.readable(name)
    if store.describe() is not None:
        return store
    if here.registry.chosen(name) is None:
        here.parts.forget(name)  # a name that does not exist keeps no memory
        raise not_found(f"collection {name!r}", f"PUT /v1/collections/{name} makes it")
    return None


def _summary(here: Service, name: str) -> dict[str, Any]:
    """Name, size, state and chosen settings."""
    store = require_store(here, name)
    found = None if store is None else store.describe()
    return {
        "name": name,
        "passages": 0 if found is None else found.points,
        "state": "empty" if found is None else found.metadata.get("state", "not made by xqg"),
        "chosen": here.registry.chosen(name),
    }
