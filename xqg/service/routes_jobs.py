"""Routes of jobs: list, show, cancel, retry, watch; and of the service itself: augmentation, health and metrics."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, HTTPException, Path, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from xqg.assembly import open_augmentation, open_server
from xqg.augment.job import roll_back
from xqg.service.answers import Answer, job_to_json, not_found
from xqg.service.jobs import FINISHED, STATES, Job
from xqg.service.service import NAME, Here, Service
from xqg.settings import AugmentSettings, validated

router = APIRouter()

JobId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="id of a job")]

POLL_SECONDS = 0.3
SILENCE_SECONDS = 10.0
"""After so long without news a comment is sent, so that proxies keep the connection."""


@router.get("/v1/jobs", tags=["jobs"])
def list_jobs(
    here: Here,
    collection: Annotated[str | None, Query(pattern=NAME)] = None,
    state: Annotated[Literal["queued", "running", "done", "failed", "cancelled"] | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> Answer:
    """The newest jobs, newest first."""
    jobs = here.queue.recent(limit, collection, STATES if state is None else (state,))
    return Answer({"jobs": [job_to_json(job, here.workers.counts_of(job)) for job in jobs]})


@router.get("/v1/jobs/{job_id}", tags=["jobs"])
def show_job(job_id: JobId, here: Here) -> Answer:
    """A job with its first rejects."""
    job = _require(here, job_id)
    return Answer({**job_to_json(job, here.workers.counts_of(job)), "rejects": here.teller.rejects(job)})


@router.get("/v1/jobs/{job_id}/rejects", tags=["jobs"])
def show_rejects(
    job_id: JobId,
    here: Here,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    skip: Annotated[int, Query(ge=0, le=10**9)] = 0,
) -> Answer:
    """The records that a job could not take, with line and reason."""
    return Answer({"rejects": here.teller.rejects(_require(here, job_id), limit, skip)})


@router.post("/v1/jobs/{job_id}/cancel", tags=["jobs"])
def cancel_job(job_id: JobId, here: Here) -> Answer:
    """Cancel a waiting job at once, a running one after its batch; what it stored stays stored."""
    job = here.workers.cancel(job_id)
    if job is None:
        raise not_found("such job")
    return Answer(job_to_json(job, here.workers.counts_of(job)))


@router.post("/v1/jobs/{job_id}/retry", tags=["jobs"])
def retry_job(job_id: JobId, here: Here) -> Answer:
    """Queue a failed job again, at its old place."""
    _require(here, job_id)
    job = here.queue.retry(job_id)
    if job is None:
        raise HTTPException(409, "Only a failed job can be tried again")
    here.workers.wake()
    return Answer(job_to_json(job, job.counts))


@router.get("/v1/jobs/{job_id}/events", tags=["jobs"], response_class=StreamingResponse)
async def watch_job(job_id: JobId, here: Here) -> StreamingResponse:
    """The job as server-sent events `progress`, whenever something changed, until it ends."""
    await run_in_threadpool(_require, here, job_id)
    return StreamingResponse(_events(here, job_id), media_type="text/event-stream")


async def _events(here: Service, job_id: str) -> AsyncIterator[str]:
    sent, silent = "", 0.0
    while not here.workers.stopping:
        job = await run_in_threadpool(here.queue.get, job_id)
        if job is None:
            return
        news = json.dumps(job_to_json(job, here.workers.counts_of(job)))
        if news != sent:
            sent, silent = news, 0.0
            yield f"event: progress\ndata: {news}\n\n"
        if job.state in FINISHED:
            return
        await asyncio.sleep(POLL_SECONDS)
        silent += POLL_SECONDS
        if silent >= SILENCE_SECONDS:
            silent = 0.0
            yield ": still here\n\n"


def _require(here: Service, job_id: str) -> Job:
    job = here.queue.get(job_id)
    if job is None:
        raise not_found("such job")
    return job


@router.post("/v1/augment", tags=["augment"], status_code=202)
def augment(
    here: Here,
    source: Annotated[str, Body(min_length=1, max_length=255)],
    into: Annotated[str, Body(min_length=1, max_length=255)],
    alias: Annotated[str | None, Body(min_length=1, max_length=255)] = None,
    options: Annotated[dict[str, Any] | None, Body(description="layout, text_key, vector_name, …")] = None,
    dry_run: Annotated[bool, Body()] = False,
    rollback: Annotated[bool, Body()] = False,
) -> Answer:
    """Make a better collection of one that other software wrote, and move an alias to it; or move it back.

    Works on a Qdrant server. Answers with a job; with `dry_run` with the plan, with `rollback` with what the alias
    named and names.
    """
    chosen = {**(options or {}), "into": into, **({} if alias is None else {"alias": alias})}
    settings: AugmentSettings = validated(AugmentSettings, chosen)
    place = here.parts.place(source)
    if rollback:
        with closing(open_server(here.parts.place(into))) as server:
            return Answer(roll_back(server, into, alias))
    if place.embedded_path is not None:
        open_server(place)  # says what is missing
    work = {"source": source, "settings": settings.model_dump(exclude_unset=True), "name": f"{source} into {into}"}
    if dry_run:
        with open_augmentation(*here.runner.augmentation(work)) as augmentation:
            return Answer(augmentation.estimate())
    job = here.queue.add(into, "augment", work)
    here.workers.wake()
    return Answer(job_to_json(job, {}), 202, {"location": f"/v1/jobs/{job.id}"})


@router.get("/healthz", tags=["health"])
async def health(here: Here) -> Answer:
    """Whether the process answers; also tells what `/readyz` would, without failing."""
    return Answer({"status": "ok", **here.readiness()})


@router.get("/readyz", tags=["health"])
async def readiness(here: Here) -> Answer:
    """Whether questions and jobs can be served: the store answers, the models are loaded. 503 where not."""
    found = here.readiness()
    return Answer(found, 200 if found["ready"] else 503)


@router.get("/metrics", tags=["health"], response_class=Response)
def metrics(here: Here) -> Response:
    """Metrics in Prometheus's text format."""
    return Response(here.metrics.text(here.queue.counts), media_type="text/plain; version=0.0.4; charset=utf-8")
