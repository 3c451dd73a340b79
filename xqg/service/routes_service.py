"""Routes of the service itself: augmentation, health and metrics."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated, Any

from fastapi import APIRouter, Body
from starlette.responses import Response

from xqg.assembly import open_augmentation, open_server
from xqg.augment.aliases import roll_back
from xqg.augment.augment_settings import AugmentSettings
from xqg.service.answers import Answer, job_to_json
from xqg.service.service import Here
from xqg.settings import validated

router = APIRouter()


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
