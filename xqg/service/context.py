"""What the routes work with, in one place; built by `xqg.service.app`."""

from __future__ import annotations

from dataclasses import dataclass, field

from fastapi import Request

from xqg.errors import XqgError
from xqg.service.answers import Teller
from xqg.service.jobs import JobQueue
from xqg.service.metrics import Metrics
from xqg.service.parts import Parts
from xqg.service.registry import Registry
from xqg.service.running import Runner
from xqg.service.service_settings import ServiceSettings
from xqg.service.spool import Spool
from xqg.service.workers import Workers
from xqg.settings import EncoderSettings


@dataclass
class Readiness:
    """Why questions cannot be answered yet: "" where nothing is in the way."""

    models: str = "loading"
    store: str = "not looked at yet"


@dataclass(frozen=True)
class Context:
    """The service's parts."""

    settings: ServiceSettings
    parts: Parts
    registry: Registry
    queue: JobQueue
    spool: Spool
    runner: Runner
    workers: Workers
    metrics: Metrics
    teller: Teller
    default_encoder: EncoderSettings
    readiness: Readiness = field(default_factory=Readiness)

    def load_models(self) -> None:
        """Load what answers questions, before the first one comes."""
        self.parts.detector.detect("ready?")
        try:
            self.parts.encoder(self.default_encoder, for_search=True).encode_queries(["ready?"])
            self.readiness.models = ""
        except XqgError as error:
            self.readiness.models = self.teller.tell(str(error))


def context_of(request: Request) -> Context:
    """The context of the application that a request came to."""
    context: Context = request.app.state.context
    return context
