"""The service: its parts, built from the settings, their start and their end. What the routes work with."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, Path, Request
from pydantic import SecretStr

from xqg.errors import XqgError
from xqg.service.access import Metrics
from xqg.service.answers import Teller
from xqg.service.jobs import FAILED, QUEUED, RUNNING, Database, JobQueue
from xqg.service.parts import Parts
from xqg.service.registry import Registry
from xqg.service.running import Runner
from xqg.service.service_settings import ServiceSettings
from xqg.service.spool import Spool
from xqg.service.workers import Sources, Workers
from xqg.settings import EncoderSettings, StoreSettings, validated
from xqg.stores.catalog import embedded_collections

STAND_IN = "xqg"
"""A collection's name, where settings want one and none is meant."""

CHECK_SECONDS = 10.0


class Service:
    """A service that is built but not started. :param config: the groups of settings, as values."""

    def __init__(self, settings: ServiceSettings, config: Mapping[str, Mapping[str, Any]]) -> None:
        self.settings, data = settings, settings.data
        self._database = Database(data / "service.sqlite")
        store = {"spec": f"edge:{data / 'collections'}", **config.get("store", {}), "collection": STAND_IN}
        encoder = config.get("encoder", {})
        endpoint = {name: encoder[name] for name in ("device", "base_url", "api_key") if name in encoder}
        self.parts = Parts(validated(StoreSettings, store), endpoint)
        self.registry = Registry(self._database, self.parts, config)
        self.queue = JobQueue(self._database, settings.most_queued_jobs, settings.most_queued_bytes)
        self.spool = Spool(data)
        self.spool.drop_unknown([job.id for job in self.queue.recent(-1, states=(QUEUED, RUNNING, FAILED))])
        self.runner = Runner(self.parts, self.registry, self.spool, data, settings.most_compared, config)
        self.metrics, self.teller = Metrics(), Teller(self.spool, _secrets(config))
        self.workers = Workers(
            self.queue, self.runner, self.metrics, self.teller.tell, settings.kept_jobs, settings.workers
        )
        self._sources = Sources(settings.sources, self._database, self.queue, self.registry, self.workers.wake)
        self._encoder = validated(EncoderSettings, dict(encoder))
        self._not_ready = {"store": "not checked yet", "models": "loading"}
        self._ended = threading.Event()

    def start(self) -> None:
        """Resume the jobs that were left, watch the sources, load the models."""
        self._sources.start()
        self.workers.start()
        for watch in (self._load_models, self._watch_store):
            threading.Thread(target=watch, name=f"xqg{watch.__name__}", daemon=True).start()

    def stop(self) -> None:
        """Ask everything to end: the current batches, and the streams of events; returns at once."""
        self._ended.set()
        self.workers.stop()

    def close(self) -> None:
        """End: the current batches are stored, the rest stays queued."""
        self.stop()
        self._sources.stop()
        self.workers.join()
        self.parts.close()
        self._database.close()

    def collection_names(self) -> list[str]:
        """The names of all collections, sorted, also of those that other commands made in the embedded store."""
        return sorted({*self.registry.names(), *embedded_collections(self.parts.store_settings)})

    def readiness(self) -> dict[str, Any]:
        """Whether questions and jobs can be served, and for store and models "ok" or what is missing."""
        ready = not (any(self._not_ready.values()) or self.workers.stopping)
        return {"ready": ready, **{name: reason or "ok" for name, reason in self._not_ready.items()}}

    def _load_models(self) -> None:
        """Load what answers questions, before the first one comes; again until it can be loaded."""
        self.parts.detector.detect("ready?")
        while self._not_ready["models"] and not self._ended.is_set():
            try:
                self.parts.encoder(self._encoder, for_search=True).encode_queries(["ready?"])
                self._not_ready["models"] = ""
            except XqgError as error:
                self._not_ready["models"] = self.teller.tell(str(error))
                self._ended.wait(CHECK_SECONDS)

    def _watch_store(self) -> None:
        while not self._ended.is_set():
            try:
                self.parts.check_store()
                self._not_ready["store"] = ""
            except XqgError as error:
                self._not_ready["store"] = self.teller.tell(str(error))
            self._ended.wait(CHECK_SECONDS)


def _secrets(config: Mapping[str, Any]) -> list[str]:
    values = [group.get("api_key") for group in config.values() if isinstance(group, Mapping)]
    return [value.get_secret_value() if isinstance(value, SecretStr) else str(value) for value in values if value]


def service_of(request: Request) -> Service:
    """The service whose application got a request."""
    service: Service = request.app.state.service
    return service


NAME = r"^[\w][\w .-]{0,119}$"
Name = Annotated[str, Path(pattern=NAME, description="name of a collection")]
Here = Annotated[Service, Depends(service_of)]
