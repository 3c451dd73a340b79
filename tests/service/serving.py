"""A service whose encoder can be read, to be called in a process or started, killed and started again.

``python -m tests.service.serving FOLDER PORT`` serves until it is killed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.fakes import FakeEncoder
from xqg.records import Passage, Vectors
from xqg.service import parts, workers
from xqg.service.server import run_service
from xqg.service.service import Service
from xqg.service.service_settings import ServiceSettings
from xqg.settings import validated


class SlowEncoder(FakeEncoder):
    """Takes its time, and cannot encode what holds the word "poison"."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.seconds = seconds

    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        from xqg.errors import EncodingError

        time.sleep(self.seconds * len(passages))
        if any("poison" in passage.text for passage in passages):
            raise EncodingError("A text cannot be encoded")
        return super().encode_passages(passages)


def build(folder: Path, seconds: float = 0.0, config: dict[str, Any] | None = None, **settings: Any) -> Service:
    """A service in ``folder`` with plain vectors. :param seconds: that the encoder takes for a passage."""
    encoder = SlowEncoder(seconds)
    parts.build_encoder = lambda *_: encoder  # type: ignore[assignment]
    workers.NICENESS = 0  # tests wait for jobs
    own: ServiceSettings = validated(ServiceSettings, {"data": folder, "port": 0, **settings})
    return Service(own, {"fusion": {"rule": "plain"}, "job": {"batch_size": 4}, **(config or {})})


if __name__ == "__main__":
    place, port = sys.argv[1:]
    service = build(Path(place), 0.004, port=int(port), requests_per_second=1e6)
    run_service(service, lambda address: print(address, flush=True))  # noqa: T201
