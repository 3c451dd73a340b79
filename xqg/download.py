"""Fetches files over HTTP: tried again, gone on with where it was cut off, never half of one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from xqg.errors import ModelError, TransientError, retry

TIMEOUT_SECONDS = 60.0

_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})


def fetch(address: str, what: str, keep: Path | None = None, sleep: Callable[[float], None] | None = None) -> bytes:
    """The whole content at ``address``.

    :param what: it is, for the error. :param keep: where to keep what has come so far, also for a later call; None:
        nowhere, for what is small. :param sleep: replaces `time.sleep` between tries, for tests.
    :raises ModelError: if it cannot be fetched.
    """
    received = bytearray(keep.read_bytes() if keep is not None and keep.exists() else b"")
    try:
        retry(lambda: _receive(address, what, received, keep), sleep)
    except TransientError as error:
        raise _unreachable(address, what, str(error)) from None
    return bytes(received)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file as a whole, or not at all. :raises ModelError: if that cannot be done."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        raise ModelError(f"{path} cannot be written: {error.strerror}", "", "Make room, or set XQG_CACHE") from error


def _unreachable(address: str, what: str, reason: str) -> ModelError:
    return ModelError(
        f"{what[0].upper()}{what[1:]} cannot be fetched from {address}: {reason}",
        "",
        "Try again; or fetch it elsewhere (xqg models fetch --out DIR) and give --models DIR",
    )


def _receive(address: str, what: str, received: bytearray, keep: Path | None) -> None:
    """:raises TransientError: if it is worth another try; what came before is in ``received`` then."""
    import httpx

    headers = {"Range": f"bytes={len(received)}-"} if received else {}
    try:
        with httpx.stream("GET", address, headers=headers, timeout=TIMEOUT_SECONDS, follow_redirects=True) as response:
            status = response.status_code
            if status == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                return  # all of it is there already
            if status in _TRANSIENT:
                raise TransientError(f"status {status}")
            if not response.is_success:
                raise _unreachable(address, what, f"status {status}")
            if status != httpx.codes.PARTIAL_CONTENT:
                received.clear()
            for chunk in response.iter_raw():
                received += chunk
    except (httpx.ConnectError, httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        if not received:  # more likely there is no way to it than that it comes back
            raise _unreachable(address, what, str(error)) from None
        raise TransientError(str(error)) from None
    except httpx.TransportError as error:
        if keep is not None:
            replace_file(keep, bytes(received))  # another process may read it
        raise TransientError(f"{type(error).__name__} {error}".strip()) from None
