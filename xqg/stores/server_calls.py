"""Every call to a Qdrant server goes through here: what is tried again, and what each failure means."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TypeVar

import grpc
import httpx
from pydantic import ValidationError
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse
from qdrant_client.models import UpdateResult, UpdateStatus

from xqg.addresses import without_login
from xqg.errors import PARSING_ERRORS, RETRY_ATTEMPTS, StoreError, StoreUnreachableError, TransientError, retry
from xqg.messages import brief, passwords

Result = TypeVar("Result")

_OWN_FAULTS = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)
"""Transport errors that are ours, so that another try cannot help."""

_UNREADABLE: tuple[type[Exception], ...] = (AssertionError, RuntimeError, *PARSING_ERRORS)
"""What the client raises for requests and answers that it cannot make sense of."""

_TRANSIENT_CODES = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.INTERNAL,
)

_STATUS_OF_CODE = {
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
}


class MissingCollectionError(StoreError):
    """The server has no such collection."""


class ExistingCollectionError(StoreError):
    """The server already has a collection of that name."""


class TooMuchAtOnceError(StoreError):
    """The server takes no request as large as this one, however often it is sent."""


class FilterRefusedError(StoreError):
    """The collection's strict mode does not answer this filter: it has too many conditions, or names no index."""


_TOO_MUCH = re.compile(
    r"larger than rate limiter capacity|try to split|Limit exceeded \d+ > \d+ for \W*(upsert|update|search batch)"
)
_FILTER_REFUSED = re.compile(r"Index required but not found|Filter condition limit|Condition size limit")


class ServerCalls:
    """Makes calls to one server, with retries, and raises nothing but `StoreError`.

    :param url: of the server, as errors show it.
    :param secret: the API key, which is cut out of every message.
    :param sleep: replaces `time.sleep` between tries.
    :param proxy: a clause on the proxy in front of the server, for errors that it may cause.
    """

    def __init__(
        self, url: str, secret: str | None, sleep: Callable[[float], None] | None = None, proxy: str = ""
    ) -> None:
        self.server, self.proxy = without_login(url), proxy
        self._secret, self._secrets = secret, (secret, *passwords(url))
        self._sleep = sleep
        self._answered = False

    def __call__(self, collection: str, task: str, operation: Callable[[], Result]) -> Result:
        """What ``operation`` returns, tried again after each failure that may be temporary.

        :param task: what the operation does, as a verb, for the errors.
        :raises StoreUnreachableError: if it still fails after all retries.
        :raises StoreError: at once, if another try cannot help.
        """
        expected = f"to {task} in {collection!r}"
        try:
            return retry(lambda: self._attempt(collection, expected, operation), self._sleep)
        except TransientError as error:
            # "from None", here and below: the original error carries the request, and with it the key
            raise StoreUnreachableError(
                f"{self.server} did not answer in {RETRY_ATTEMPTS} tries: {self._clean(str(error))}{self.proxy}",
                expected,
                "Check that the server runs and the address is right, then run the command again",
            ) from None

    def _attempt(self, collection: str, expected: str, operation: Callable[[], Result]) -> Result:
        try:
            result = operation()
            self._answered = True
            return result
        except ResourceExhaustedResponse as error:
            if _TOO_MUCH.search(str(error)):
                raise self._too_much(expected, str(error)) from None
            raise TransientError(str(error), retry_after=max(0, error.retry_after_s)) from None
        except QdrantException as error:
            # the client knows Retry-After only as a number of seconds, not as a date
            raise TransientError(str(error)) from None
        except UnexpectedResponse as error:
            raise self._from_status(collection, expected, error.status_code or 0, _detail(error.content)) from None
        except ResponseHandlingException as error:
            raise self._from_transport(expected, error.source) from None
        except grpc.RpcError as error:
            raise self._from_grpc(collection, expected, error) from None
        except json.JSONDecodeError as error:
            if error.doc.lstrip().startswith("<"):
                raise self._no_qdrant("a web page") from None
            raise TransientError(f"a broken answer ({error})") from None
        except _UNREADABLE as error:
            raise StoreError(f"The request failed: {self._clean(str(error))}", expected) from None

    def _from_transport(self, expected: str, source: Exception) -> Exception:
        if isinstance(source, httpx.ConnectError) and not self._answered:
            # the address is more likely wrong than the server about to start
            return StoreUnreachableError(
                f"Nothing answers at {self.server}: {self._clean(str(source))}{self.proxy}",
                "a Qdrant server",
                "Check that the server runs and the address is right",
            )
        if isinstance(source, httpx.TransportError) and not isinstance(source, _OWN_FAULTS):
            return TransientError(f"{type(source).__name__}: {source}")
        if isinstance(source, ValidationError):
            return self._no_qdrant("something else than Qdrant's answers")
        return StoreError(f"The request failed: {self._clean(str(source))}", expected)

    def _from_grpc(self, collection: str, expected: str, error: grpc.RpcError) -> Exception:
        # the errors of a call are Call objects too, with code and details; the type says nothing of it
        code = error.code() if isinstance(error, grpc.Call) else None
        detail = str(error.details() if isinstance(error, grpc.Call) else error)
        if code in _TRANSIENT_CODES and not _TOO_MUCH.search(detail):
            return TransientError(f"{code.name}: {detail}", _pause(detail))
        return self._from_status(collection, expected, _STATUS_OF_CODE.get(code, 400), detail)

    def _from_status(self, collection: str, expected: str, status: int, detail: str) -> Exception:
        if status == 413 or _TOO_MUCH.search(detail):
            return self._too_much(expected, detail)
        if status in (408, 429) or status >= 500:
            return TransientError(f"status {status}: {detail}", _pause(detail))
        detail = self._clean(detail)
        if _FILTER_REFUSED.search(detail):
            return FilterRefusedError(f"{self.server} refused the filter: {detail}", expected)
        if status in (401, 403):
            found = f"{self.server} refused " + ("the API key" if self._secret else "a request without API key")
            return StoreError(f"{found} ({status}): {detail}", expected, "Set QDRANT_API_KEY to a valid key")
        if status == 404:
            return MissingCollectionError(f"{self.server} has no collection {collection!r}", expected, "Ingest first")
        if status == 409 or "already exists" in detail:
            return ExistingCollectionError(f"{self.server} already has a collection or alias {collection!r}", expected)
        proxy = self.proxy if status == 407 else ""
        return StoreError(f"{self.server} refused ({status}): {detail}{proxy}", expected)

    def _too_much(self, expected: str, detail: str) -> StoreError:
        found = f"{self.server} takes no request as large as this: {self._clean(detail)}"
        return TooMuchAtOnceError(found, expected, "Lower --max-request-bytes, or raise the server's limits")

    def _no_qdrant(self, what: str) -> StoreError:
        return StoreError(
            f"{self.server} answered with {what}{self.proxy}",
            "the REST interface of a Qdrant server",
            "Correct the address and its port",
        )

    def _clean(self, text: str) -> str:
        return brief(text, *self._secrets)


def check_done(result: UpdateResult) -> None:
    """Raise `TransientError` unless the server has applied the update; "accepted" is not applied yet."""
    if result.status != UpdateStatus.COMPLETED:
        raise TransientError(f"the update is only {result.status.value}")


def _pause(detail: str) -> float | None:
    """Seconds that a refusal for its rate names in its text, where it has no header; None if it names none."""
    found = re.search(r"Retry after (\d{1,4})s", detail)
    return None if found is None else float(found[1])


def _detail(content: bytes) -> str:
    text = content.decode("utf-8", errors="replace")
    try:
        return str(json.loads(text)["status"]["error"])
    except PARSING_ERRORS:
        return text
