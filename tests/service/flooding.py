"""Sends bad requests to a service in a process of its own, and measures its memory.

``python -m tests.service.flooding REQUESTS`` prints the answers by status, and the resident memory as they went on.
"""

from __future__ import annotations

import itertools
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.service.killing import start
from tests.service.test_bad_requests import BODIES, PATHS, TYPES, URLS

METHODS = ("GET", "DELETE", "POST", "PUT", "PATCH", "HEAD", "OPTIONS")
FORM = b'--x\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n%s\r\n--x--\r\n'
KEYS = ("Bearer x", "Bearer " + "x" * 5000, "Basic eA==", "bearer")


def requests(seed: int) -> Iterator[dict[str, Any]]:
    """Bad requests without end, as arguments of `httpx.Client.request`."""
    dice = random.Random(seed)
    for number in itertools.count():
        kind = {"content-type": dice.choice(TYPES), "authorization": dice.choice(KEYS)}
        body = dice.choice(BODIES)
        if number % 3 == 0:
            yield {"method": dice.choice(METHODS), "url": dice.choice(URLS), "content": body, "headers": kind}
        elif number % 50 == 1:
            form = {"content-type": "multipart/form-data; boundary=x"}
            content = FORM % (dice.choice((b"a.md", b"../x.csv", b"\x00", b"a.pdf")), body[:1000])
            yield {"method": "POST", "url": "/v1/collections/help/passages", "content": content, "headers": form}
        elif number % 50 == 2:
            cut = body[: dice.randrange(len(body) + 1)]
            yield {"method": "POST", "url": f"/v1/collections/never{number}/search", "content": cut, "headers": kind}
        else:
            method, path = dice.choice(PATHS)
            kind["content-type"] = "application/json"
            yield {"method": method, "url": path, "content": body, "headers": kind}


def resident_megabytes(pid: int) -> float:
    """Memory of a process. Linux only."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(round(int(line.split()[1]) / 1024, 1) for line in lines if line.startswith("VmRSS"))


def flood(folder: Path, number: int) -> dict[str, Any]:
    """Send so many; the answers by status, and megabytes after each tenth of them."""
    process, client = start(folder)
    statuses: Counter[int] = Counter()
    memory, slowest = [], 0.0
    with closing(client):
        for count, request in enumerate(itertools.islice(requests(1), number), start=1):
            began = time.monotonic()
            statuses[client.request(**request).status_code] += 1
            slowest = max(slowest, time.monotonic() - began)
            if count % max(1, number // 10) == 0:
                memory.append(resident_megabytes(process.pid))
        assert client.get("/healthz").status_code == 200
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    return {"statuses": dict(sorted(statuses.items())), "megabytes": memory, "slowest seconds": round(slowest, 2)}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        print(flood(Path(place), int(sys.argv[1])))  # noqa: T201
