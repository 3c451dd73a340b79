"""What can go wrong between a store and its server, by a script that gives every run the same faults."""

from __future__ import annotations

import re
import threading
from enum import Enum, auto


class Fault(Enum):
    """What may go wrong with one request."""

    UNAVAILABLE = auto()  # 503, not applied
    RATE_LIMIT = auto()  # 429 with `Retry-After: 3`, not applied
    RATE_LIMIT_DATE = auto()  # 429 with a date as Retry-After, not applied
    RATE_LIMIT_BARE = auto()  # 429 without Retry-After, not applied
    FORBIDDEN = auto()  # 403 that quotes the key it was given, not applied
    HANG = auto()  # no answer for `WireServer.hang_seconds`, not applied
    DROP = auto()  # the connection ends without an answer, not applied
    DROP_HALFWAY = auto()  # applied; the connection ends in the middle of the answer
    APPLY_THEN_DROP = auto()  # applied; the connection ends without an answer
    WAIT_TIMEOUT = auto()  # applied; the answer says that it is not applied yet
    WEB_PAGE = auto()  # 200 with HTML, not applied


class Faults:
    """The script of faults: first those ordered by `then`, one a request, else the rule of `every`.

    Only requests whose "METHOD /path" matches ``only`` (a regular expression) are counted.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """No more faults."""
        self._script: list[Fault | None] = []
        self._rule: tuple[int, tuple[Fault, ...]] | None = None
        self._only = ""
        self._counted = 0
        self.served: list[Fault] = []

    def then(self, *faults: Fault | None, only: str = "") -> None:
        """The next requests meet these, in this order; None is a request that goes well."""
        with self._lock:
            self._script += faults
            self._only = only

    def every(self, nth: int, *faults: Fault, only: str = "") -> None:
        """Each ``nth`` request from now on meets one of these, in turn."""
        with self._lock:
            self._rule, self._only, self._counted = (nth, faults), only, 0

    def next(self, request: str) -> Fault | None:
        """The fault that ``request`` ("METHOD /path") meets."""
        with self._lock:
            if not re.search(self._only, request):
                return None
            fault = self._choose()
            if fault is not None:
                self.served.append(fault)
            return fault

    def _choose(self) -> Fault | None:
        if self._script:
            return self._script.pop(0)
        if self._rule is None:
            return None
        nth, faults = self._rule
        self._counted += 1
        return faults[(self._counted // nth - 1) % len(faults)] if self._counted % nth == 0 else None
