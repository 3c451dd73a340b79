"""Routes of passages: add them by a job, show one, delete a document."""

from __future__ import annotations

import json
import shutil
import time
from functools import partial
from itertools import islice
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from xqg.errors import XqgError
from xqg.fusion.pieces import passage_pieces
from xqg.identifiers import spellings
from xqg.protocols import Point
from xqg.readers.corpus import check_sources
from xqg.search.show import describe_point, passage_to_json
from xqg.service.answers import Answer, job_to_json, not_found
from xqg.service.jobs import FINISHED, Job, new_id
from xqg.service.routes_collections import require_store
from xqg.service.service import Here, Name, Service
from xqg.service.spool import safe_name
from xqg.settings import IngestSettings

router = APIRouter(prefix="/v1/collections/{name}", tags=["passages"])

STREAMS = {
    "application/x-ndjson": "stream.jsonl",
    "application/jsonl": "stream.jsonl",
    "application/x-jsonlines": "stream.jsonl",
    "text/csv": "stream.csv",
    "text/tab-separated-values": "stream.tsv",
}
"""Content types of bodies that are a whole file."""

LONGEST_ID = 4096
PASSAGE = {"type": "object", "properties": {"id": {"type": "string"}, "text": {"type": "string"}}}
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"type": "array", "items": PASSAGE}},
            "application/x-ndjson": {"schema": {"type": "string"}},
            "multipart/form-data": {
                "schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}
            },
        },
    }
}
Id = Annotated[str, Path(max_length=LONGEST_ID, description="id of a passage or document")]

WAITED_SECONDS = 5.0
"""How long an answer waits for a deletion to be done; after that it has the job alone."""


@router.post("/passages", status_code=202, openapi_extra=BODY)
async def add_passages(name: Name, here: Here, request: Request) -> Answer:
    """Take passages and answer with the job that will store them; from then on they are kept.

    JSON: a list of objects with `id`, `text` and, if you like, `title`, `language`, `metadata`; or one such object; or
    `{"passages": [...]}`. JSON lines: `application/x-ndjson`. A file of any kind that `xqg ingest` reads: as
    `multipart/form-data`, or CSV and TSV as they are.
    """
    await run_in_threadpool(_require_settings, here, name)
    await run_in_threadpool(here.queue.check_room)
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    job_id = new_id()
    try:
        if kind == "multipart/form-data":
            job = await _take_form(here, request, name, job_id)
        elif kind in STREAMS:
            job = await _take_stream(here, request, name, job_id, STREAMS[kind])
        elif kind == "application/json":
            body = await request.body()
            job = await run_in_threadpool(_take_json, here, body, name, job_id)
        else:
            raise HTTPException(415, f"Send application/json, multipart/form-data, {', '.join(STREAMS)}")
    except BaseException:
        here.spool.drop_upload(job_id)
        raise
    here.workers.wake()
    return Answer(job_to_json(job, {}), 202, {"location": f"/v1/jobs/{job.id}"})


@router.get("/passages")
def list_passages(name: Name, here: Here, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> Answer:
    """Some passages, in the order of the store."""
    store = require_store(here, name)
    found = [] if store is None else [passage_to_json(point.passage) for point in islice(store.points(), limit)]
    return Answer({"passages": found})


@router.get("/passages/{passage_id:path}")
def show_passage(name: Name, passage_id: Id, here: Here) -> Answer:
    """One passage with its sentences, queries and translations; a document's id gives its first chunk."""
    point = _find(here, name, passage_id)
    if point is None:
        raise not_found(f"passage {passage_id!r} in this collection")
    pieces = [
        {"kind": piece.kind.value, "language": piece.language, "text": piece.text}
        for piece in passage_pieces(point.passage, point.entry.texts)
    ]
    place = {"chunk": point.passage.chunk, "chunks": point.passage.chunks, "pieces": pieces}
    return Answer({**describe_point(point), **place})


@router.delete("/passages/{passage_id:path}")
def delete_passage(name: Name, passage_id: Id, here: Here) -> Answer:
    """Delete the document that a passage is of, with all its chunks: one alone would come back with the next run."""
    point = _find(here, name, passage_id)
    return _delete(here, name, passage_id if point is None else point.passage.document_id)


@router.delete("/documents/{document_id:path}")
def delete_document(name: Name, document_id: Id, here: Here) -> Answer:
    """Delete a document with all its chunks, after the jobs that came before."""
    require_store(here, name)
    return _delete(here, name, document_id)


def _delete(here: Service, name: str, document_id: str) -> Answer:
    documents = spellings(document_id)
    if not documents:
        raise not_found("document with such an id")
    job = here.queue.add(name, "delete", {"documents": documents, "name": document_id})
    here.workers.wake()
    until = time.monotonic() + WAITED_SECONDS
    while job.state not in FINISHED and time.monotonic() < until and not here.workers.stopping:
        time.sleep(0.02)
        job = here.queue.require(job.id)
    value = {**job_to_json(job, job.counts), "deleted": job.counts.get("deleted")}
    return Answer(value, 200 if job.state in FINISHED else 202)


def _find(here: Service, name: str, passage_id: str) -> Point | None:
    store, ids = require_store(here, name), spellings(passage_id)
    return None if store is None else next(store.points([*ids, *(f"{one}#1" for one in ids)]), None)


def _require_settings(here: Service, name: str) -> IngestSettings:
    settings = here.registry.settings(name)
    if settings is None:
        raise not_found(f"collection {name!r}", f"PUT /v1/collections/{name} makes it")
    return settings


async def _take_stream(here: Service, request: Request, name: str, job_id: str, file_name: str) -> Job:
    place, path = here.spool.place_for(job_id, name, file_name)
    size = lines = 0
    with here.spool.writing(path) as file:
        async for part in request.stream():
            size, lines = size + len(part), lines + part.count(b"\n")
            await run_in_threadpool(file.write, part)
    records = lines if file_name.endswith(".jsonl") else None
    return await run_in_threadpool(_enqueue, here, name, job_id, place, "the stream", size, records)


async def _take_form(here: Service, request: Request, name: str, job_id: str) -> Job:
    async with request.form(max_files=1, max_fields=8) as form:
        upload = next((value for value in form.values() if isinstance(value, UploadFile)), None)
        if upload is None:
            raise HTTPException(422, "The form has no file")
        return await run_in_threadpool(_take_file, here, upload, name, job_id)


def _take_file(here: Service, upload: UploadFile, name: str, job_id: str) -> Job:
    place, path = here.spool.place_for(job_id, name, upload.filename or "")
    with here.spool.writing(path) as file:
        shutil.copyfileobj(upload.file, file, 2**20)
        size = file.tell()
    records = _count_lines(path) if path.suffix == ".jsonl" else None
    return _enqueue(here, name, job_id, place, safe_name(upload.filename or ""), size, records)


def _take_json(here: Service, body: bytes, name: str, job_id: str) -> Job:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise HTTPException(400, f"The body is no JSON: {reason}") from None
    if isinstance(value, dict):
        value = value["passages"] if isinstance(value.get("passages"), list) else [value]
    if not isinstance(value, list) or not value:
        raise HTTPException(422, "The body has no passages: send a list of objects with id and text")
    place, path = here.spool.place_for(job_id, name, "body.jsonl")
    try:
        size = here.spool.write_records(path, value)
    except RecursionError:
        raise HTTPException(400, "The body is nested too deeply") from None
    return _enqueue(here, name, job_id, place, "the request", size, len(value))


def _enqueue(
    here: Service, name: str, job_id: str, place: str, shown: str | None, size: int, records: int | None
) -> Job:
    """Keep the job of what was uploaded. :raises XqgError: if it cannot be read, or the queue is full."""
    settings = _require_settings(here, name)
    work = {"place": place, "name": shown or "upload", "records": records}
    source = here.spool.source(place)
    try:
        check_sources([str(source)], settings.reader)
    except XqgError as error:
        raise HTTPException(422, here.teller.tell(str(error).replace(str(source), str(work["name"])))) from error
    return here.queue.add(name, "ingest", work, size, job_id)


def _count_lines(path: FilePath) -> int:
    with path.open("rb") as file:
        return sum(part.count(b"\n") for part in iter(partial(file.read, 2**20), b""))
