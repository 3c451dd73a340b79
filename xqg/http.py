"""The one file that speaks HTTP: JSON requests to OpenAI-compatible endpoints, with retries."""

from __future__ import annotations

import json
import os
import re
import threading
import weakref
from collections.abc import Callable
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from xqg.addresses import proxy_note
from xqg.errors import PARSING_ERRORS, SettingsError, TransientError, XqgError, retry
from xqg.messages import brief, passwords
from xqg.remade import Remade
from xqg.settings import ModelSettings

DEFAULT_BASE_URL = "https://api.openai.com/v1"
LONGEST_PAUSE_SECONDS = 120.0
"""The longest wait between tries, also where an endpoint asks for a longer one."""

LARGEST_ANSWER = 2**28
"""Bytes of an answer that are read: 20,000 vectors of 1,000 numbers, written out, are fewer."""

_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
_TOO_LONG = re.compile(
    r"(context|input|sequence|prompt|text|token)s?.{0,40}(length|limit|window|too long|too large|exceed)|"
    r"too many (token|input)|maximum.{0,40}(token|length|batch|input)|less than \d+ tokens|larger than the max|"
    r"(batch size|number of inputs).{0,40}(exceed|maximum|limit|>)|exceeds?.{0,40}(token|length|context|limit|maximum)",
    re.IGNORECASE,
)
"""How endpoints say that there is too much in a request; Ollama says so with status 500."""

_HINTS = {
    400: "Check the name of the model and what the endpoint supports",
    401: "Check the key (OPENAI_API_KEY)",
    403: "The key may not use this model; check its rights",
    404: "Check the base URL (it usually ends in /v1) and the name of the model",
}


_UNUSABLE_ADDRESS: tuple[type[Exception], ...] = (httpx.InvalidURL, *PARSING_ERRORS)
_UNREADABLE: tuple[type[Exception], ...] = (httpx.HTTPError, *PARSING_ERRORS)
"""An answer that cannot be unpacked, or a body of ours that is no JSON."""


class EndpointError(XqgError):
    """An endpoint refused a request or did not answer.

    ``status`` is its HTTP status, None without an answer; ``words`` is what it said went wrong, in one line.
    """

    def __init__(
        self, found: str, expected: str = "", remedy: str = "", status: int | None = None, words: str = ""
    ) -> None:
        super().__init__(found, expected, remedy)
        self.status, self.words = status, words

    @property
    def is_too_long(self) -> bool:
        """Whether there was too much in the request: too long a text, or too many."""
        told = self.status in (400, 422, 500) and _TOO_LONG.search(self.words) is not None
        return self.status == 413 or told


class JsonEndpoint(Remade):
    """An OpenAI-compatible endpoint; may be used by several threads at once.

    ``address`` is the base URL without a login. The key travels in the ``Authorization`` header and appears nowhere
    else: not in errors, not in logs.

    :param sleep: replaces `time.sleep` between tries, for tests.
    :raises SettingsError: if the address or the key cannot be used.
    """

    def __init__(
        self, base_url: str, key: str | None, timeout_seconds: float, sleep: Callable[[float], Any] | None = None
    ) -> None:
        self._key = (key or "").strip()
        self._secrets = (self._key, *passwords(base_url))
        self._timeout = timeout_seconds
        self._stopped = threading.Event()
        self._sleep = self._stopped.wait if sleep is None else sleep
        self._answered = False
        self._lock = threading.Lock()
        self._opened: httpx.Client | None = None
        try:
            address = httpx.URL(base_url.strip().rstrip("/") + "/")
        except _UNUSABLE_ADDRESS:
            raise SettingsError("The base URL is no address", "http(s)://HOST[:PORT]/v1") from None
        if address.scheme not in ("http", "https") or not address.host:
            found = f"The base URL starts with {address.scheme or 'nothing'!r}"
            raise SettingsError(found, "http(s)://HOST[:PORT]/v1")
        if not (self._key.isascii() and self._key.isprintable()):
            raise SettingsError("The API key has characters that no key has", "", "Copy it again")
        self._address = address
        self.address = str(address.copy_with(userinfo=b"")).rstrip("/")

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
                f"{self.address} failed every time, the last with: {error}",
                "",
                "Try again later, or lower the concurrency (--generator-concurrency)",
                words=str(error),
            ) from None

    def stop(self) -> None:
        """Have calls of other threads that wait for another try give up at once, until `start`."""
        self._stopped.set()

    def start(self) -> None:
        """Take calls again after `stop`."""
        self._stopped.clear()

    def close(self) -> None:
        """Close the connections, as happens anyway when it is no longer used; calling it twice does nothing."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()

    @property
    def _client(self) -> httpx.Client:
        """One for all threads; `functools.cached_property` would make one for each, from Python 3.12 on."""
        with self._lock:
            if self._opened is None:
                headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
                self._opened = httpx.Client(base_url=self._address, headers=headers, timeout=self._timeout)
                weakref.finalize(self, self._opened.close)
            return self._opened

    def _post(self, path: str, body: Any) -> Any:
        if self._stopped.is_set():
            raise EndpointError(f"{self.address} was not asked again, since the run ends")
        response, content = self._send(path, body)
        status = response.status_code
        value = _parsed(content)
        words = self._words(value, content)
        if status in _TRANSIENT and not (status == 500 and _TOO_LONG.search(words)):
            raise TransientError(f"status {status} {words}".rstrip(), _pause(response.headers))
        if not response.is_success:
            raise self._refusal(status, words or response.reason_phrase)
        if value is _NO_JSON and content.lstrip().startswith((b"{", b"[")):
            raise TransientError(f"an answer that was cut off: {words}")
        if value is _NO_JSON:
            raise EndpointError(
                f"{self.address} answered something that is no JSON: {words!r}", "", _HINTS[404], status, words
            )
        if isinstance(value, dict) and value.get("error") and not (value.get("choices") or value.get("data")):
            # some gateways answer 200 for themselves, and put the failure of the provider behind them into the body
            raise self._within(value["error"], words)
        return value

    def _send(self, path: str, body: Any) -> tuple[httpx.Response, bytes]:
        """The answer and its content. :raises TransientError: if another try may help."""
        try:
            with self._client.stream("POST", path.lstrip("/"), json=body) as response:
                self._answered = True
                content = bytearray()
                for part in response.iter_bytes():
                    content += part
                    if len(content) > LARGEST_ANSWER:
                        raise EndpointError(f"{self.address} answered with more than {LARGEST_ANSWER} bytes")
                return response, bytes(content)
        except httpx.TimeoutException:
            raise TransientError(f"no answer within {self._timeout:g} seconds") from None
        except httpx.TransportError as error:
            if isinstance(error, httpx.ConnectError) and not self._answered:
                # more likely a wrong address than an endpoint that is starting
                found = f"Nothing answers at {self.address}: {self._brief(str(error))}{proxy_note(self.address)}"
                raise EndpointError(found, "", "Check the address") from None
            raise TransientError(self._brief(f"{type(error).__name__} {error}")) from None
        except _UNREADABLE as error:
            raise EndpointError(f"{self.address}: {self._brief(f'{type(error).__name__} {error}')}") from None

    def _refusal(self, status: int, words: str) -> EndpointError:
        return EndpointError(
            f"{self.address} refused with status {status}: {words}", "", _HINTS.get(status, ""), status, words
        )

    def _within(self, error: Any, words: str) -> Exception:
        """What an error in the body of a good answer amounts to; without a code that says otherwise, it may pass."""
        code = error.get("code") if isinstance(error, dict) else None
        text = str(code)[:9]
        status = int(text) if text.isascii() and text.isdigit() else 502
        return (
            self._refusal(status, words) if 400 <= status < 500 and status not in _TRANSIENT else TransientError(words)
        )

    def _words(self, value: Any, content: bytes) -> str:
        """What the endpoint says went wrong, in one line; of a code only where the text does not name it."""
        if value is _NO_JSON:
            return self._brief(content[:10_000].decode("utf-8", errors="replace"))
        found, code = value, ""
        for name in ("error", "message", "detail"):
            if isinstance(found, dict) and name in found:
                code = found["code"] if isinstance(found.get("code"), str) else code
                found = found[name]
        text = found if isinstance(found, str) else _written(found)
        return self._brief(text if code.lower() in text.lower() else f"{text} ({code})")

    def _brief(self, text: str) -> str:
        return brief(text, *self._secrets)


_NO_JSON = object()


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except PARSING_ERRORS:
        return _NO_JSON


def _written(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except PARSING_ERRORS:
        return "nested too deeply to be shown"


def _pause(headers: httpx.Headers) -> float | None:
    """Seconds that Retry-After asks for, given as a number or as a date; None if it is absent or not readable."""
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except PARSING_ERRORS:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        seconds = (moment - datetime.now(timezone.utc)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_PAUSE_SECONDS) if seconds == seconds else None  # NaN is not itself
