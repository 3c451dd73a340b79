"""Errors and jobs as clients get them: JSON, without secrets and without paths of this machine."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse

from xqg.errors import (
    EncodingError,
    GenerationError,
    InputError,
    MissingDependencyError,
    ModelError,
    StoreError,
    StoreUnreachableError,
    XqgError,
)
from xqg.messages import redact
from xqg.readers.rejects import read_rejects
from xqg.service.jobs import RETRY_AFTER_SECONDS, Job, QueueFullError
from xqg.service.plain import NotComparableError
from xqg.service.registry import SettingsConflictError
from xqg.service.spool import Spool

logger = logging.getLogger(__name__)

SHOWN_REJECTS = 100

STATUS: dict[type[XqgError], int] = {
    QueueFullError: 429,
    StoreUnreachableError: 503,
    SettingsConflictError: 409,
    NotComparableError: 409,
    StoreError: 409,
    InputError: 422,
    MissingDependencyError: 503,
    ModelError: 503,
    EncodingError: 503,
    GenerationError: 503,
}
"""The first that fits; 400 where none does."""


class Answer(JSONResponse):
    """JSON in ASCII, so that what is no UTF-8 cannot break it."""

    def render(self, content: Any) -> bytes:
        """The body."""
        return json.dumps(content, ensure_ascii=True, default=str).encode("ascii")


class Teller:
    """Takes secrets and paths out of texts. :param secrets: keys of stores and endpoints."""

    def __init__(self, spool: Spool, secrets: Sequence[str]) -> None:
        self._spool, self._secrets = spool, secrets

    def tell(self, text: str, job: Job | None = None) -> str:
        """The text as a client may read it."""
        if job is not None and "place" in job.work:
            text = text.replace(str(self._spool.source(job.work["place"])), str(job.work.get("name", "the upload")))
        return redact(text.replace(str(self._spool.uploads), "the upload"), *self._secrets)

    def rejects(self, job: Job, limit: int = SHOWN_REJECTS, skip: int = 0) -> list[dict[str, Any]]:
        """The rejects of a job: file, line, reason, record; [] where there are none."""
        path = self._spool.rejects_of(job.id)
        try:
            found = list(islice(read_rejects(path), skip, skip + limit))
        except (OSError, ValueError, TypeError):  # there is none, or its last line is being written
            return []
        return [
            {**vars(reject), "file": self.tell(reject.file, job), "reason": self.tell(reject.reason, job)}
            for reject in found
        ]


def job_to_json(job: Job, counts: Mapping[str, Any]) -> dict[str, Any]:
    """A job without its rejects."""
    named = ("stage", "rate", "remaining")
    return {
        "id": job.id,
        "collection": job.collection,
        "kind": job.kind,
        "name": job.work.get("name"),
        "state": job.state,
        "cancelling": job.cancelling and job.state == "running",
        **{name: counts.get(name) for name in named},
        "rejected": counts.get("rejected", 0),
        "counts": {name: value for name, value in counts.items() if name not in named},
        "error": job.error,
        "created": job.created,
        "started": job.started,
        "finished": job.finished,
    }


def add_handlers(app: FastAPI, teller: Teller) -> None:
    """Turn every error into an answer that says what was found, what was expected and the remedy."""

    async def known(request: Request, error: XqgError) -> Answer:
        status = next((status for kind, status in STATUS.items() if isinstance(error, kind)), 400)
        body: dict[str, Any] = {"detail": teller.tell(str(error))}
        if isinstance(error, SettingsConflictError):
            body |= {"stored": error.stored, "asked": error.requested}
        headers = {"retry-after": str(RETRY_AFTER_SECONDS)} if status in (429, 503) else None
        return Answer(body, status, headers)

    async def refused(request: Request, error: StarletteHTTPException) -> Answer:
        return Answer({"detail": str(error.detail)}, error.status_code, error.headers)

    async def unfit(request: Request, error: RequestValidationError) -> Answer:
        reasons = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        return Answer({"detail": teller.tell("; ".join(reasons))}, 422)

    async def unreadable(request: Request, error: Exception) -> Answer:
        reason = "is nested too deeply" if isinstance(error, RecursionError) else "ended too early"
        return Answer({"detail": f"The body {reason}"}, 400)

    async def full(request: Request, error: Exception) -> Answer:
        logger.error("The service's records cannot be written: %s", error)
        detail = "The service cannot write to its disk now"
        return Answer({"detail": detail}, 503, {"retry-after": str(RETRY_AFTER_SECONDS)})

    handlers: dict[type[Exception], Any] = {
        XqgError: known,
        StarletteHTTPException: refused,
        RequestValidationError: unfit,
        ClientDisconnect: unreadable,
        RecursionError: unreadable,
        sqlite3.Error: full,
        OSError: full,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def not_found(what: str, remedy: str = "") -> HTTPException:
    """The error for what is not there."""
    return HTTPException(404, f"There is no {what}{f'. {remedy}.' if remedy else ''}")
