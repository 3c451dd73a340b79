"""The connection to a Qdrant server: made at the first use, checked for its version, closed once."""

from __future__ import annotations

import ipaddress
import logging
import math
import re
import threading
import warnings
from collections.abc import Callable
from functools import lru_cache
from urllib.parse import urlsplit

from qdrant_client import QdrantClient

from xqg.addresses import proxy_note, server_address
from xqg.errors import SettingsError, StoreError
from xqg.settings import StoreSettings
from xqg.stores.server_calls import MissingCollectionError, ServerCalls

logger = logging.getLogger(__name__)

OLDEST_VERSION = (1, 16)
"""The first Qdrant that keeps metadata of a collection."""


class ServerConnection:
    """One client of one server, which several threads may share.

    :param sleep: replaces `time.sleep` between tries, for tests.
    :raises SettingsError: if the API key cannot be one.
    """

    def __init__(self, settings: StoreSettings, sleep: Callable[[float], None] | None = None) -> None:
        secret = "" if settings.api_key is None else settings.api_key.get_secret_value()
        if secret and not re.fullmatch(r"[!-~]+", secret):
            # the key travels in a header, whose own errors would quote it
            raise SettingsError("The API key has blanks or other signs that no key has", "", "Correct QDRANT_API_KEY")
        self._settings, self._sleep = settings, sleep
        self._secret = secret or None  # an empty QDRANT_API_KEY is how containers say "none"
        self._opened: QdrantClient | None = None
        self._opening = threading.Lock()

    def calls(self, collection: str) -> ServerCalls:
        """What makes calls to ``collection``, with retries, and names it in errors."""
        settings = self._settings
        address = server_address(settings.spec)
        if settings.grpc:
            address = f"grpc://{urlsplit(address).netloc.rpartition(':')[0]}:{settings.grpc_port}"
        return ServerCalls(address, collection, self._secret, self._sleep, proxy_note(server_address(settings.spec)))

    def client(self) -> QdrantClient:
        """The client, connected.

        :raises StoreUnreachableError: if the server does not answer. :raises StoreError: if it is too old.
        """
        with self._opening:
            if self._opened is None:
                self._opened = self._open()
            return self._opened

    def close(self) -> None:
        """Release the connections; calling it twice does nothing."""
        with self._opening:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    def _open(self) -> QdrantClient:
        settings, call = self._settings, self.calls(self._settings.collection)
        if self._secret and travels_openly(settings.spec):
            _warn_of_open_key(call.server)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Api key is used with an insecure connection")  # said above, or no matter
            client = QdrantClient(
                url=server_address(settings.spec),
                grpc_port=settings.grpc_port,
                prefer_grpc=settings.grpc,
                api_key=self._secret,
                timeout=math.ceil(settings.timeout_seconds),
                check_compatibility=False,
            )
        try:
            version = call("read the server's version", client.info).version
        except MissingCollectionError:
            raise StoreError(
                f"There is no Qdrant server at {call.server}{call.proxy}", "asked for its version", "Check the address"
            ) from None
        numbers = re.match(r"(\d+)\.(\d+)", version)
        if numbers is not None and (int(numbers[1]), int(numbers[2])) < OLDEST_VERSION:
            client.close()
            raise StoreError(
                f"The Qdrant server is version {version}",
                "asked to keep metadata in a collection, which came with 1.16",
                "Update the server",
            )
        return client


def travels_openly(url: str) -> bool:
    """Whether what is sent to ``url`` leaves this machine unencrypted."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "http" or host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name
        return True


@lru_cache
def _warn_of_open_key(server: str) -> None:
    """Once a process, however many connections it opens."""
    logger.warning("The API key travels to %s unencrypted: give the server TLS and an https address", server)
