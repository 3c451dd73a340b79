"""A server on the wire, and what the stacks write to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stores.wire import WireServer


@pytest.fixture
def wire() -> Iterator[WireServer]:
    with WireServer() as server:
        yield server
