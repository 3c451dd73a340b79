"""Signals at any moment: the right exit code, a word or none, and never a traceback."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-m", "xqg.cli", *arguments], cwd=folder, text=True, **pipes)


def ingest(folder: Path, *options: str) -> subprocess.Popen[str]:
    lines = [json.dumps({"id": f"p{n}", "text": f"lamp {n} is broken", "language": "en"}) for n in range(2000)]
    (folder / "corpus.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return start(folder, "ingest", "corpus.jsonl", "--store", "edge:data", "--collection", "c", *options)


@pytest.mark.parametrize("delay", [0.1, 0.2, 0.4])
def test_an_early_interruption(tmp_path: Path, delay: float) -> None:
    run = ingest(tmp_path)
    time.sleep(delay)
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=60)
    assert "Traceback" not in errors
    assert run.returncode in (130, -signal.SIGINT), errors  # before Python has read a line of ours, it is Python's


@pytest.mark.parametrize(("which", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("gap", [0.0, 0.1, 0.5])
def test_the_second_signal_has_the_code_of_the_first(tmp_path: Path, which: int, code: int, gap: float) -> None:
    run = ingest(tmp_path, "--batch-size", "8")
    while not (tmp_path / "data" / "c" / "shard").is_dir() and run.poll() is None:
        time.sleep(0.02)
    run.send_signal(which)
    time.sleep(gap)
    run.send_signal(which)
    _, errors = run.communicate(timeout=60)
    assert "Traceback" not in errors
    assert run.returncode == code, errors


@pytest.mark.parametrize(("which", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_server_for_assistants_ends_while_it_waits(tmp_path: Path, which: int, code: int) -> None:
    pytest.importorskip("mcp")
    (tmp_path / "one.jsonl").write_text('{"id": "a", "text": "lamp", "language": "en"}', encoding="utf-8")
    place = ("--store", "edge:data", "--collection", "c")
    start(tmp_path, "ingest", "one.jsonl", *place, "--rule", "plain").communicate(timeout=60)
    server = start(tmp_path, "mcp", *place)
    assert server.stdin is not None
    assert server.stdout is not None
    hello = {"protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    server.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}) + "\n")
    server.stdin.flush()
    assert '"id":1' in server.stdout.readline()
    server.send_signal(which)
    assert server.wait(timeout=20) == code  # with its input still open
    assert "Traceback" not in server.communicate()[1]
