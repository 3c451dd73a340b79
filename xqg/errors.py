"""Errors that say what was found, what was expected and what to do, and the one retry policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.nap import sleep as pause
from tenacity.wait import wait_random_exponential

from xqg.messages import printable, redact

Result = TypeVar("Result")

RETRY_ATTEMPTS = 8
RETRY_CEILING_SECONDS = 32.0
LONGEST_RETRY_AFTER_SECONDS = 300.0
"""A server that asks for more is asked again after this long all the same: a run must not sleep for a day."""

EXIT_REJECTS = 3
"""Exit code of a run that came to its end without some of the records, or of the queries."""


PARSING_ERRORS: tuple[type[Exception], ...] = (
    ValueError,  # also of JSON, Unicode, base64 and pydantic
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,  # also OverflowError, of a number that is too large, and division by zero
    RecursionError,  # of what is nested too deeply
    EOFError,
)
"""What reading foreign text or JSON may raise, whatever stands in it: a file, an answer, a stored value."""

READING_ERRORS: tuple[type[Exception], ...] = (OSError, *PARSING_ERRORS)
"""The same, where it is read from a file first."""


class XqgError(Exception):
    """Base of all errors a user can mend: "Found X; expected Y. Do Z."; ``exit_code`` is the command line's.

    Secrets are taken out of its message, and control characters written out, wherever its parts come from.
    """

    exit_code = 1

    def __init__(self, found: str, expected: str = "", remedy: str = "") -> None:
        self.found, self.expected, self.remedy = (
            printable(redact(part)).rstrip(".") for part in (found, expected, remedy)
        )
        sentence = f"{self.found}; expected {self.expected}" if self.expected else self.found
        super().__init__(". ".join(part for part in (sentence, self.remedy) if part) + ".")


class SettingsError(XqgError):
    """Options that are wrong or do not fit together; raised before any work starts."""

    exit_code = 2


class InputError(XqgError):
    """An input file or folder that cannot be read at all (a bad record is a reject, not an error)."""


class MissingDependencyError(XqgError):
    """An optional package is not installed; the remedy is its install line."""

    exit_code = 2


class ModelError(XqgError):
    """A model that cannot be found, loaded or used safely."""


class GenerationError(XqgError):
    """The query generator failed."""


class EncodingError(XqgError):
    """The encoder failed or returned unusable vectors."""


class StoreError(XqgError):
    """The store refused, or holds something other than what was asked for."""


class FingerprintError(StoreError):
    """The collection was made with other settings than the ones in use."""


class StoreUnreachableError(StoreError):
    """The store did not answer, also after retries."""

    exit_code = 5


class TransientError(Exception):
    """A failure worth another try; ``retry_after`` in seconds where the other side named one.

    Only the files that speak to the outside world raise it, and only inside `retry`.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


def _wait(state: RetryCallState) -> float:
    """Seconds until the next try: what the other side asked for, else exponential with full jitter."""
    error = state.outcome.exception() if state.outcome is not None else None
    if isinstance(error, TransientError) and error.retry_after is not None:
        return min(error.retry_after, LONGEST_RETRY_AFTER_SECONDS)
    return wait_random_exponential(multiplier=0.5, max=RETRY_CEILING_SECONDS)(state)


def retry(operation: Callable[[], Result], sleep: Callable[[float], Any] | None = None) -> Result:
    """Run ``operation`` until it stops raising `TransientError`, at most 8 times.

    :param sleep: replaces `time.sleep`, for tests.
    :raises TransientError: the last one, when every try failed. Other errors pass at once.
    """
    policy = Retrying(
        stop=stop_after_attempt(RETRY_ATTEMPTS),
        wait=_wait,
        retry=retry_if_exception_type(TransientError),
        reraise=True,
        sleep=pause if sleep is None else sleep,
    )
    return policy(operation)
