"""Routes of jobs: list, show, cancel, retry, watch."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Path, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from xqg.service.answers import Answer, job_to_json, not_found
from xqg.service.jobs import FINISHED, STATES, Job
from xqg.service.service import NAME, Here, Service

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

JobId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="id of a job")]

POLL_SECONDS = 0.3
SILENCE_SECONDS = 10.0
"""After so long without news a comment is sent, so that proxies keep the connection."""


@router.get("")
def list_jobs(
    here: Here,
    collection: Annotated[str | None, Query(pattern=NAME)] = None,
    state: Annotated[Literal["queued", "running", "done", "failed", "cancelled"] | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> Answer:
    """The newest jobs, newest first."""
    jobs = here.queue.recent(limit, collection, STATES if state is None else (state,))
    return Answer({"jobs": [job_to_json(job, here.workers.counts_of(job)) for job in jobs]})


@router.get("/{job_id}")
def show_job(job_id: JobId, here: Here) -> Answer:
    """A job with its first rejects."""
    job = _require(here, job_id)
    return Answer({**job_to_json(job, here.workers.counts_of(job)), "rejects": here.teller.rejects(job)})


@router.get("/{job_id}/rejects")
def show_rejects(
    job_id: JobId,
    here: Here,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    skip: Annotated[int, Query(ge=0, le=10**9)] = 0,
) -> Answer:
    """The records that a job could not take, with line and reason."""
    return Answer({"rejects": here.teller.rejects(_require(here, job_id), limit, skip)})


@router.post("/{job_id}/cancel")
def cancel_job(job_id: JobId, here: Here) -> Answer:
    """Cancel a waiting job at once, a running one after its batch; what it stored stays stored."""
    job = here.workers.cancel(job_id)
    if job is None:
        raise not_found("such job")
    return Answer(job_to_json(job, here.workers.counts_of(job)))


@router.post("/{job_id}/retry")
def retry_job(job_id: JobId, here: Here) -> Answer:
    """Queue a failed job again, at its old place."""
    _require(here, job_id)
    job = here.queue.retry(job_id)
    if job is None:
        raise HTTPException(409, "Only a failed job can be tried again")
    here.workers.wake()
    return Answer(job_to_json(job, job.counts))


@router.get("/{job_id}/events", response_class=StreamingResponse)
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
