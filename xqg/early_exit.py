"""Ends the command at once where it is interrupted while Python still reads it in: there is nothing to clean up yet.

Only in a process that was started as ``xqg`` or ``python -m xqg.cli``: who imports the package keeps its own handling.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any


def _end(number: int, frame: Any) -> None:
    os.write(2, b"Interrupted.\n")
    os._exit(128 + number)


def _is_command() -> bool:
    program, *_ = os.path.basename(sys.argv[0] if sys.argv else "").split(".")  # noqa: PTH119 - pathlib is half the time
    return program == "xqg" or "-m xqg.cli" in " ".join(sys.orig_argv[1:4])


def has_started() -> None:
    """From here on an interruption is an exception, as everywhere in Python."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


if _is_command() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, _end)
