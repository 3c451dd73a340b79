"""The cores of this machine, and what makes torch faster on them and can only be set for the whole process."""

from __future__ import annotations

import ctypes
import gc
import os
import sys

_ENVIRONMENT = {
    # OpenMP's threads wait for each other in a loop that eats a core for milliseconds; where another process needs that
    # core, every small operation of torch waits with them (measured on 2 busy cores: 6 ms instead of 0.1 ms)
    "GOMP_SPINCOUNT": "10000",
    # the scores of a step of generation take up to 340 MB, new pages each time: large pages make it a twentieth faster
    "THP_MEM_ALLOC_ENABLE": "1",
}

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_KEPT_BYTES = 2**30
_NEW_OBJECTS = 50_000


def tune_process() -> None:
    """Set what is not set yet; OpenMP and torch read it when they are loaded, so call it before.

    glibc is told to keep up to 1 GB of freed memory for the next step, instead of handing it back to the system and
    asking for it anew (measured: 5 % of the time that writing queries takes). Python looks for circular garbage after
    50,000 new objects instead of 700: to import torch and transformers makes hundreds of thousands that stay (measured:
    a fifth of the time that it takes).
    """
    gc.set_threshold(_NEW_OBJECTS, *gc.get_threshold()[1:])
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if sys.platform == "linux" and not any(name.startswith("MALLOC_") for name in os.environ):
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if mallopt is not None:
            mallopt(_M_MMAP_MAX, 0)
            mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def count_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
