"""Runs the application with uvicorn until SIGINT or SIGTERM."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType

import uvicorn

from xqg.errors import SettingsError
from xqg.service.app import build_app
from xqg.service.service import Service

GRACE_SECONDS = 5
"""How long open requests may take after a signal; jobs take as long as their batch."""

MOST_CONNECTIONS = 512


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, stop: Callable[[], None], ready: Callable[[str], None]) -> None:
        super().__init__(config)
        self._stop, self._ready = stop, ready

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End streams of events and jobs first: uvicorn waits for them."""
        self._stop()
        super().handle_exit(sig, frame)
        if self.force_exit:  # the second SIGINT: do not wait for a batch either; what is queued is on disk
            os._exit(128 + sig)

    def end(self, sig: int, frame: FrameType | None) -> None:
        """The same before uvicorn handles signals, and after it."""
        self._stop()
        self.should_exit = True

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """Listen, and report the address. :raises SettingsError: if it cannot be used; uvicorn has logged why."""
        try:
            await super().startup(sockets)  # type: ignore[arg-type]
        except SystemExit:
            host, port = self.config.host, self.config.port
            raise SettingsError(
                f"The service cannot listen on {host}, port {port}", "an address of this machine with a free port"
            ) from None
        for server in getattr(self, "servers", []):
            for socket in server.sockets[:1]:
                host, port = socket.getsockname()[:2]
                self._ready(f"http://{f'[{host}]' if ':' in host else host}:{port}/")


def server_config(service: Service) -> uvicorn.Config:
    """How uvicorn runs the application."""
    settings = service.settings
    return uvicorn.Config(
        build_app(service),
        host=settings.host,
        port=settings.port,
        http="h11",  # bounds the size of headers
        log_level="warning",
        access_log=False,  # questions may be confidential
        server_header=False,
        date_header=True,
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE_SECONDS,
        limit_concurrency=MOST_CONNECTIONS,
        h11_max_incomplete_event_size=32 * 1024,
    )


def run_service(service: Service, ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM. :param ready: called with the page's address once it listens.

    :raises SettingsError: if the address cannot be used.
    """
    server = _Server(server_config(service), service.stop, ready)
    for which in (signal.SIGINT, signal.SIGTERM):
        signal.signal(which, server.end)  # uvicorn raises the signal again at its end, which is no failure
    server.run()
