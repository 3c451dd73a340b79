"""How long a search of `xqg serve` takes while nothing else happens, while passages are ingested, and after it.

    python benchmarks/service.py [--seconds 30] [--rate 50]

Starts the service with the bundled encoder in a folder of its own, ingests the sample, and asks its questions at a
steady rate, whether or not the ones before were answered.
"""

from __future__ import annotations

import argparse
import atexit
import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path

import httpx
import numpy as np

PORT = 8337


def ask(client: httpx.Client, questions: list[str], seconds: float, rate: float) -> list[float]:
    """Milliseconds from when each question was due to its answer."""
    began = time.perf_counter() + 0.1

    def one(number: int) -> float:
        due = began + number / rate
        time.sleep(max(0.0, due - time.perf_counter()))
        body = {"query": questions[number % len(questions)], "k": 10}
        client.post("/v1/collections/sample/search", json=body).raise_for_status()
        return 1000 * (time.perf_counter() - due)

    with ThreadPoolExecutor(64) as pool:
        return list(pool.map(one, range(int(seconds * rate))))


def wait(client: httpx.Client) -> None:
    """Until no job waits or runs."""
    while any(client.get("/v1/jobs", params={"state": state}).json()["jobs"] for state in ("queued", "running")):
        time.sleep(0.5)


def start(folder: str) -> tuple[subprocess.Popen[bytes], httpx.Client]:
    """The service, ready."""
    command = [sys.executable, "-m", "xqg.cli", "serve", "--port", str(PORT), "--data", folder]
    process = subprocess.Popen(command)
    client = httpx.Client(base_url=f"http://127.0.0.1:{PORT}", timeout=120, limits=httpx.Limits(max_connections=64))
    while True:
        try:
            if client.get("/readyz").status_code == 200:
                return process, client
        except httpx.HTTPError:
            pass
        time.sleep(0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--rate", type=float, default=50)
    chosen = parser.parse_args()
    sample = Path(str(files("xqg") / "sample"))
    questions = [json.loads(line)["query"] for line in (sample / "questions.jsonl").read_text("utf-8").splitlines()]
    passages = [json.loads(line) for line in (sample / "corpus.jsonl").read_text("utf-8").splitlines()]
    with tempfile.TemporaryDirectory() as folder:
        process, client = start(folder)
        atexit.register(process.kill)
        client.put("/v1/collections/sample", json={})
        client.put("/v1/collections/load", json={})
        client.post("/v1/collections/sample/passages", json=passages).raise_for_status()
        wait(client)
        quiet = ask(client, questions, chosen.seconds, chosen.rate)
        many = [{**passage, "id": f"{n}-{passage['id']}"} for n in range(30) for passage in passages]
        job = client.post("/v1/collections/load/passages", json=many).json()
        busy = ask(client, questions, chosen.seconds, chosen.rate)
        state = client.get(f"/v1/jobs/{job['id']}").json()
        client.post(f"/v1/jobs/{job['id']}/cancel")
        wait(client)
        after = ask(client, questions, chosen.seconds, chosen.rate)
        process.terminate()
        process.wait()
    for name, times in (("quiet", quiet), ("while ingesting", busy), ("quiet again", after)):
        middle, high, highest = np.percentile(times, [50, 99, 100])
        print(f"{name}: median {middle:.1f} ms, 99th percentile {high:.1f} ms, longest {highest:.1f} ms")
    ratio = np.percentile(busy, 99) / np.percentile(quiet + after, 99)
    print(f"99th percentile while ingesting / quiet: {ratio:.2f}")
    print(f"ingested meanwhile: {state['counts'].get('read')} passages, {state['rate']} a second; {state['state']}")


if __name__ == "__main__":
    main()
