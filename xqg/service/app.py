"""Builds the service: its parts from the settings, the application with its routes, start and end."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from xqg.errors import MissingDependencyError, XqgError

try:
    import python_multipart  # noqa: F401 - what reads uploads
    from fastapi import FastAPI
    from starlette.types import ASGIApp
except ImportError as error:
    raise MissingDependencyError(
        f"The service's parts are not installed: {error}", "", 'pip install "xqg[service]"'
    ) from error

from pydantic import SecretStr

from xqg import __version__
from xqg.service import routes_collections, routes_jobs, routes_passages, routes_search, routes_service
from xqg.service.access import Guard
from xqg.service.answers import Answer, Teller, add_handlers
from xqg.service.context import Context
from xqg.service.database import Database
from xqg.service.jobs import FAILED, QUEUED, RUNNING, JobQueue
from xqg.service.metrics import Metrics
from xqg.service.parts import Parts
from xqg.service.registry import Registry
from xqg.service.running import Runner
from xqg.service.service_settings import ServiceSettings
from xqg.service.sources import Sources
from xqg.service.spool import Spool
from xqg.service.workers import Workers
from xqg.settings import EncoderSettings, StoreSettings, validated

STAND_IN = "xqg"
"""A collection's name, where settings want one and none is meant."""

REFUSALS = {400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 503}
LOOK_SECONDS = 10.0


class Service:
    """A service that is built but not started. :param config: the groups of settings, as values."""

    def __init__(self, settings: ServiceSettings, config: Mapping[str, Mapping[str, Any]]) -> None:
        data = settings.data
        self._database = Database(data / "service.sqlite")
        store = {"spec": f"edge:{data / 'collections'}", **config.get("store", {}), "collection": STAND_IN}
        encoder = config.get("encoder", {})
        endpoint = {name: encoder[name] for name in ("device", "base_url", "api_key") if name in encoder}
        parts = Parts(validated(StoreSettings, store), endpoint)
        registry = Registry(self._database, parts, config)
        queue = JobQueue(self._database, settings.most_queued_jobs, settings.most_queued_bytes)
        spool = Spool(data)
        spool.drop_strangers([job.id for job in queue.recent(-1, states=(QUEUED, RUNNING, FAILED))])
        runner = Runner(parts, registry, spool, data, settings.most_compared, config)
        metrics, teller = Metrics(), Teller(spool, list(_secrets(config)))
        workers = Workers(queue, runner, metrics, teller.tell, settings.kept_jobs, settings.workers)
        default = validated(EncoderSettings, dict(encoder))
        self.context = Context(
            settings, parts, registry, queue, spool, runner, workers, metrics, teller, default_encoder=default
        )
        self._sources = Sources(settings.sources, self._database, queue, registry, workers.wake)
        self._ended = threading.Event()

    def start(self) -> None:
        """Take up the jobs that were left, watch the sources, load the models."""
        self._sources.start()
        self.context.workers.start()
        threading.Thread(target=self.context.load_models, name="xqg-models", daemon=True).start()
        threading.Thread(target=self._look_at_store, name="xqg-readiness", daemon=True).start()

    def stop(self) -> None:
        """Ask everything to end: the batches in hand, and the streams of events; returns at once."""
        self._ended.set()
        self.context.workers.stop()

    def close(self) -> None:
        """End: the batches in hand are stored, the rest stays queued."""
        self.stop()
        self._sources.stop()
        self.context.workers.join()
        self.context.parts.close()
        self._database.close()

    def app(self) -> ASGIApp:
        """The application; starts and closes the service with it."""

        @asynccontextmanager
        async def life(app: FastAPI) -> AsyncIterator[None]:
            self.start()
            yield
            self.close()

        app = FastAPI(
            title="xqg",
            version=__version__,
            lifespan=life,
            docs_url=None,
            redoc_url=None,
            default_response_class=Answer,
            responses={status: {"description": "refused: detail says why"} for status in REFUSALS},
        )
        app.state.context = self.context
        for routes in (routes_collections, routes_passages, routes_jobs, routes_search, routes_service):
            app.include_router(routes.router)
        routes_service.add_page(app)
        add_handlers(app, self.context.teller)
        return Guard(app, self.context.settings, self.context.metrics)

    def _look_at_store(self) -> None:
        while not self._ended.is_set():
            try:
                self.context.parts.check_store()
                self.context.readiness.store = ""
            except XqgError as error:
                self.context.readiness.store = self.context.teller.tell(str(error))
            self._ended.wait(LOOK_SECONDS)


def _secrets(config: Mapping[str, Any]) -> Sequence[str]:
    values = [group.get("api_key") for group in config.values() if isinstance(group, Mapping)]
    return [value.get_secret_value() if isinstance(value, SecretStr) else str(value) for value in values if value]
