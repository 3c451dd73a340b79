"""Routes of the service itself: augmentation, health, numbers, and the page."""

from __future__ import annotations

from contextlib import closing
from importlib.resources import files
from typing import Annotated, Any

from fastapi import APIRouter, Body
from starlette.responses import Response

from xqg.assembly import open_augmentation, open_server
from xqg.augment.aliases import roll_back
from xqg.augment.augment_settings import AugmentSettings
from xqg.service.answers import Answer, job_to_json
from xqg.service.context import Context
from xqg.service.routes_collections import Here
from xqg.settings import validated

router = APIRouter()

PAGE = {
    "/": ("service/page/index.html", "text/html; charset=utf-8"),
    "/page.css": ("service/page/page.css", "text/css; charset=utf-8"),
    "/page.js": ("service/page/page.js", "text/javascript; charset=utf-8"),
    "/sample/corpus.jsonl": ("sample/corpus.jsonl", "application/x-ndjson"),
    "/sample/questions.jsonl": ("sample/questions.jsonl", "application/x-ndjson"),
}
ICON = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><circle cx='8' cy='8' r='7' fill='#0b6e63'/></svg>"


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
    return Answer({"status": "ok", **_readiness(here)})


@router.get("/readyz", tags=["health"])
async def readiness(here: Here) -> Answer:
    """Whether questions and jobs can be served: the store answers, the models are loaded. 503 where not."""
    found = _readiness(here)
    return Answer(found, 200 if found["ready"] else 503)


def _readiness(here: Context) -> dict[str, Any]:
    missing = {"store": here.readiness.store, "models": here.readiness.models}
    ready = not (any(missing.values()) or here.workers.stopping)
    return {"ready": ready, **{name: why or "ok" for name, why in missing.items()}}


@router.get("/metrics", tags=["health"], response_class=Response)
def metrics(here: Here) -> Response:
    """Numbers in Prometheus's text format."""
    return Response(here.metrics.text(here.queue.counts), media_type="text/plain; version=0.0.4; charset=utf-8")


@router.get("/favicon.ico", include_in_schema=False)
async def icon() -> Response:
    """A dot."""
    return Response(ICON, media_type="image/svg+xml")


def add_page(app: Any) -> None:
    """Serve the page's files, and nothing else, from the package."""
    for path, (name, kind) in PAGE.items():
        app.add_api_route(path, _page_file(name, kind), include_in_schema=False)


def _page_file(name: str, kind: str) -> Any:
    content = (files("xqg") / name).read_bytes()

    async def serve() -> Response:
        return Response(content, media_type=kind)

    return serve
