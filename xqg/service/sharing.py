"""Parts that several threads use: one at a time where they need it, and closed by their owner alone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

Part = TypeVar("Part")


class _Locked:
    def __init__(self, part: Any) -> None:
        self._part, self._lock = part, threading.Lock()

    def __getattr__(self, name: str) -> Any:
        with self._lock:
            value = getattr(self._part, name)
        return self._guard(value) if callable(value) else value

    def _guard(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            with self._lock:
                return method(*arguments, **options)

        return call


class _Kept:
    def __init__(self, part: Any) -> None:
        self._part = part

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part, name)

    def close(self) -> None:
        """Nothing."""


def locked(part: Part) -> Part:
    """The same part, whose methods wait for each other; models are not made for several threads."""
    return cast(Part, _Locked(part))


def kept_open(part: Part) -> Part:
    """The same part, whose ``close`` does nothing, for those who close what they were lent."""
    return cast(Part, _Kept(part))
