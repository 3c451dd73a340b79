"""The one file that speaks HTTP: JSON requests to OpenAI-compatible endpoints, with retries."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any

import httpx

from xqg.errors import SettingsError, TransientError, XqgError, retry
from xqg.settings import ModelSettings

DEFAULT_BASE_URL = "https://api.openai.com/v1"
LONGEST_PAUSE_SECONDS = 120.0
"""An endpoint that asks for a longer pause is asked again after this."""

_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
_HINTS = {
    400: "Check the name of the model and what the endpoint supports",
    401: "Check the key (OPENAI_API_KEY)",
    403: "The key may not use this model; check its rights",
    404: "Check the base URL (it usually ends in /v1) and the name of the model",
}


class EndpointError(XqgError):
    """An endpoint refused a request or did not answer; ``status`` is its HTTP status, None without an answer."""

    def __init__(self, found: str, asked: str = "", remedy: str = "", status: int | None = None) -> None:
        super().__init__(found, asked, remedy)
        self.status = status


class JsonEndpoint:
    """An OpenAI-compatible endpoint; may be used by several threads at once.

    The key travels in the ``Authorization`` header and appears nowhere else: not in errors, not in logs.

    :param sleep: replaces `time.sleep` between tries, for tests.
    :raises SettingsError: if the address or the key cannot be used.
    """

    def __init__(
        self, base_url: str, key: str | None, timeout_seconds: float, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._key = (key or "").strip()
        self._timeout = timeout_seconds
        self._sleep = sleep
        self._answered = False
        try:
            address = httpx.URL(base_url.strip().rstrip("/") + "/")
        except httpx.InvalidURL:
            raise SettingsError("The base URL is no address", "asked for http(s)://HOST[:PORT]/v1") from None
        if address.scheme not in ("http", "https") or not address.host:
            raise SettingsError(
                f"The base URL starts with {address.scheme or 'nothing'!r}", "asked for http(s)://HOST[:PORT]/v1"
            )
        if not (self._key.isascii() and self._key.isprintable()):
            raise SettingsError("The API key has characters that no key has", "", "Copy it again")
        self._address = address
        self._shown = str(address.copy_with(userinfo=b"")).rstrip("/")

    @classmethod
    def from_settings(cls, settings: ModelSettings) -> JsonEndpoint:
        """The endpoint of the settings, else of ``OPENAI_BASE_URL`` and ``OPENAI_API_KEY``, else OpenAI's own.

        :raises SettingsError: if it is OpenAI's own and there is no key.
        """
        base_url = settings.base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_BASE_URL
        given = settings.api_key.get_secret_value() if settings.api_key is not None else None
        key = given or os.environ.get("OPENAI_API_KEY")
        if not key and base_url == DEFAULT_BASE_URL:
            raise SettingsError(
                f"There is no key for {DEFAULT_BASE_URL}",
                "",
                "Set OPENAI_API_KEY, or OPENAI_BASE_URL for another endpoint",
            )
        return cls(base_url, key, settings.timeout_seconds)

    def post_json(self, path: str, body: Any) -> Any:
        """The JSON answer to ``body``, posted to ``path`` below the base URL.

        Statuses 408, 429 and 5xx and failures of the connection are tried again, after the pause that the endpoint
        names in Retry-After or else longer and longer.

        :raises EndpointError: if the endpoint refuses, answers no JSON, or fails every time.
        """
        try:
            return retry(lambda: self._post(path, body), self._sleep)
        except TransientError as error:
            raise EndpointError(
                f"{self._shown} failed every time, the last with: {error}",
                "",
                "Try again later, or lower the concurrency (--generator-concurrency)",
            ) from None

    def close(self) -> None:
        """Close the connections; calling it twice does nothing."""
        self._client.close()

    @cached_property
    def _client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        return httpx.Client(base_url=self._address, headers=headers, timeout=self._timeout)

    def _post(self, path: str, body: Any) -> Any:
        try:
            response = self._client.post(path.lstrip("/"), json=body)
        except httpx.TimeoutException:
            raise TransientError(f"no answer within {self._timeout:g} seconds") from None
        except httpx.TransportError as error:
            if isinstance(error, httpx.ConnectError) and not self._answered:
                # nobody listens there: more likely a wrong address than an endpoint that is about to start
                raise EndpointError(
                    f"Nothing answers at {self._shown}: {self._redacted(str(error))}", "", "Check the address"
                ) from None
            raise TransientError(self._redacted(f"{type(error).__name__} {error}")) from None
        except httpx.HTTPError as error:
            raise EndpointError(f"{self._shown}: {self._redacted(str(error))}") from None
        self._answered = True
        if response.status_code in _TRANSIENT:
            raise TransientError(
                f"status {response.status_code} {self._message(response)}".rstrip(), _pause(response.headers)
            )
        if not response.is_success:
            raise self._refusal(response)
        try:
            return response.json()
        except ValueError:
            raise EndpointError(
                f"{self._shown} answered something that is no JSON: {self._redacted(response.text[:100])!r}",
                "",
                _HINTS[404],
                response.status_code,
            ) from None

    def _refusal(self, response: httpx.Response) -> EndpointError:
        status = response.status_code
        return EndpointError(
            f"{self._shown} refused with status {status}: {self._message(response) or response.reason_phrase}",
            "",
            _HINTS.get(status, ""),
            status,
        )

    def _message(self, response: httpx.Response) -> str:
        """What the endpoint says went wrong, in one line."""
        try:
            body = response.json()
        except ValueError:
            body = response.text
        for name in ("error", "message", "detail"):
            if isinstance(body, dict) and name in body:
                body = body[name]
        return self._redacted(" ".join(str(body).split())[:300])

    def _redacted(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text


def _pause(headers: httpx.Headers) -> float | None:
    """Seconds that Retry-After asks for, given as a number or as a date; None if it is absent or not readable."""
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        seconds = (moment - datetime.now(timezone.utc)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_PAUSE_SECONDS) if seconds == seconds else None  # NaN is not itself
