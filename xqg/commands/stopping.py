"""Ending a long command after a whole batch."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click


class Stop(threading.Event):
    """Set by the first SIGINT or SIGTERM; ``exit_code`` tells which."""

    exit_code = 130


@contextmanager
def stop_on_signal() -> Iterator[Stop]:
    """An event that the first SIGINT or SIGTERM sets; a second one ends the program at once."""
    stop = Stop()

    def handle(number: int, frame: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.exit_code = 128 + number
        stop.set()
        click.echo("Finishing the batch in hand; once more to stop at once.", err=True)

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before: dict[signal.Signals, Callable[[int, Any], Any] | int | None] = {}
    for which in (signal.SIGINT, signal.SIGTERM):
        before[which] = signal.signal(which, handle)
    try:
        yield stop
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)
