"""Ending a long command after a whole batch."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click


class Stop(threading.Event):
    """Set by the first SIGINT or SIGTERM; ``exit_code`` tells which."""

    exit_code = 130


class Stopped(KeyboardInterrupt):
    """Raised by a second signal, wherever the program is."""

    def __init__(self, exit_code: int) -> None:
        super().__init__()
        self.exit_code = exit_code


@contextmanager
def stop_on_signal() -> Iterator[Stop]:
    """An event that the first SIGINT or SIGTERM sets; a second one ends the program at once.

    Once it is set, a signal that comes after the work is done changes nothing: the program ends anyway.
    """
    stop = Stop()

    def handle(number: int, frame: Any) -> None:
        if stop.is_set():
            raise Stopped(128 + number)
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
            signal.signal(which, signal.SIG_IGN if stop.is_set() else handler)


def end_on_signal() -> None:
    """Have SIGINT and SIGTERM end a program that only reads, also while it waits for input that never comes."""

    def handle(number: int, frame: Any) -> None:
        os._exit(128 + number)

    for which in (signal.SIGINT, signal.SIGTERM):
        signal.signal(which, handle)
