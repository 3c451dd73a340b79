"""Every path that a command takes, leading to what it cannot use: one sentence, never a traceback."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from xqg.cli import main

SECONDS = 60
PLACE = ("--store", "edge:data", "--collection", "help")
INGEST = ("ingest", "corpus.jsonl", *PLACE)
TRAIN = ("train", "generator", "--data", "pairs.jsonl", "--out", "trained", "--max-steps", "1")

SWEEP = ("sweep", "--passages", "corpus.jsonl", "--queries", "queries.jsonl")

COMMANDS: dict[str, tuple[str, ...]] = {
    "ingest": INGEST,
    "demo": ("demo", "--passages", "8"),
    "evaluate": ("evaluate", *PLACE, "--queries", "queries.jsonl"),
    "compare": ("compare", *PLACE, "--against", "other", "--queries", "queries.jsonl"),
    "dataset": ("dataset", "squad.en.json", "--pool", "en", "--out", "pool"),
    "evaluate-generator": ("evaluate-generator", "--data", "pairs.jsonl", "--generator", "bundled"),
    "export": ("export", "encoder", "exported"),
    "models fetch": ("models", "fetch", "--languages", "fr"),
    "serve": ("serve", "--data", "service", "--port", "0"),
    "sweep": (*SWEEP, "--rules", "neutral", "--out", "sweep"),
    "train generator": TRAIN,
}
"""What each command that takes a path needs beside it."""

OUTPUTS = {
    "rejects": "file",
    "report": "folder",
    "out": "folder",
    "path": "folder",
    "folder": "folder",
    "data": "folder",
}
"""Parameters that are written to."""

MORE = {
    ("ingest", "rejects"): ("ingest", "broken.jsonl", *PLACE, "--generator", "none"),
    ("sweep", "generated_passages"): (*COMMANDS["sweep"], "--augment-with", "passages"),
}
"""Where the path is only looked at with other options."""

SPECS = {
    "ingest SOURCES": ("ingest", "{}", *PLACE),
    "ingest --generator": (*INGEST, "--generator", "file:{}"),
    "ingest --encoder": (*INGEST, "--encoder", "hf:{}"),
    "ingest --store": ("ingest", "corpus.jsonl", "--store", "edge:{}", "--collection", "help"),
    "search --store": ("search", "Where?", "--store", "edge:{}", "--collection", "help"),
    "show --store": ("show", "--store", "edge:{}", "--collection", "help"),
    "delete --store": ("delete", "a", "--store", "edge:{}", "--collection", "help"),
    "mcp --store": ("mcp", "--store", "edge:{}", "--collection", "help"),
    "train generator --data": ("train", "generator", "--data", "{}", "--out", "trained"),
    "train generator --dev": (*TRAIN, "--dev", "{}"),
    "train generator --out": ("train", "generator", "--data", "pairs.jsonl", "--out", "{}"),
    "evaluate-generator --data": ("evaluate-generator", "--data", "{}", "--generator", "bundled"),
}
"""Paths in options that take other things too."""


def leaves(command: click.Command, name: str = "") -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for word, below in command.commands.items():
            yield from leaves(below, f"{name} {word}".strip())
    else:
        yield name, command


def paths() -> Iterator[tuple[str, click.Parameter]]:
    for name, command in leaves(main):
        yield from ((name, parameter) for parameter in command.params if isinstance(parameter.type, click.Path))


def hostile(kind: str) -> list[str]:
    """Names of what a parameter of this kind cannot use."""
    always = ["a" * 300, "corpus.jsonl/below", "loop/x", "locked/x" if os.geteuid() else "/proc/x/y"]
    if kind == "file":
        return [*always, "missing/x.jsonl", "folder"]
    if kind == "folder":
        return [*always, "corpus.jsonl", "pipe"]
    return [*always, "", "missing.jsonl", "folder", "random.json.gz", "pipe", "/dev/zero"]


def cases() -> Iterator[tuple[str, tuple[str, ...], str]]:
    for name, parameter in paths():
        flag = parameter.opts[0]
        words = MORE.get((name, parameter.name or ""), COMMANDS[name])
        kind = OUTPUTS.get(parameter.name or "", "input") if (name, parameter.name) != ("dataset", "path") else "input"
        for value in hostile(kind):
            if isinstance(parameter, click.Argument):
                place = {"dataset": "squad.en.json", "export": "exported"}[name]
                yield f"{name} {flag} {value:.20}", tuple(value if word == place else word for word in words), value
            else:
                yield f"{name} {flag} {value:.20}", (*words, flag, value), value
    for name, words in SPECS.items():
        kind = "folder" if name.endswith(("--store", "--out")) else "input"
        for value in hostile(kind):
            yield f"{name} {value:.20}", tuple(word.replace("{}", value) for word in words), value


CASES = [pytest.param(words, value, id=name) for name, words, value in cases()]


@contextmanager
def ends_within(seconds: int) -> Iterator[None]:
    """Fail where a pipe or a device is waited for; a TimeoutError would be taken for one of the system's."""
    before = signal.signal(signal.SIGALRM, lambda number, frame: pytest.fail("the command did not end"))
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("paths")
    noise = random.Random(1).randbytes(5000)
    for name, content in {
        "corpus.jsonl": b'{"id": "a", "text": "Press the button.", "language": "en"}\n',
        "broken.jsonl": b'{"id": "a"}\n',
        "pairs.jsonl": b"".join(b'{"query": "Wo?", "language": "de", "text": "Here %d."}\n' % n for n in range(60)),
        "queries.jsonl": b'{"id": "q", "query": "Comment ?", "language": "fr", "passage_id": "a"}\n',
        "squad.en.json": b'{"data": [{"title": "T", "paragraphs": [{"context": "C", "qas": []}]}]}',
        "random.json.gz": noise,
    }.items():
        (folder / name).write_bytes(content)
    (folder / "folder").mkdir()
    (folder / "locked").mkdir(mode=0)
    (folder / "loop").symlink_to(folder / "loop")
    os.mkfifo(folder / "pipe")
    for collection in ("help", "other"):
        words = [folder / "corpus.jsonl", "--store", f"edge:{folder / 'data'}", "--collection", collection]
        assert CliRunner().invoke(main, ["--quiet", "ingest", *map(str, words)]).exit_code == 0
    return folder


@pytest.mark.parametrize(("words", "value"), CASES)
def test_a_path_that_cannot_be_used_ends_in_one_sentence(
    files: Path, words: tuple[str, ...], value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files)
    for variable in ("XQG_STORE", "QDRANT_URL", "OPENAI_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    with ends_within(SECONDS):
        result = CliRunner().invoke(main, ["--quiet", *words])
    assert result.exit_code in (1, 2), result.output
    assert isinstance(result.exception, SystemExit), result.output
    assert "Traceback" not in result.output
    (line,) = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    assert len(line) < 1000
    if f"edge:{value}" not in words:
        assert value.strip("/").split("/")[0][:200] in line
