"""``translate:firefox``: the small models of Firefox Translations, in processes of their own.

The engine (package fxtranslate) translates one sentence at a time and holds Python's lock, so each core gets a process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from xqg.errors import GenerationError
from xqg.extras import require
from xqg.generators.translation.firefox_models import Model, find_route
from xqg.tuning import count_cores

AT_ONCE = 8
"""Texts that a process has in hand, so that it never waits for the next one."""

MOST_PROCESSES = 8

WORKER = Path(__file__).with_name("firefox_worker.py")


class FirefoxTranslator:
    """Translates by way of English where there is no direct model; models are fetched at their first use.

    :param folder: with models that somebody put there; None: those of the cache folder, and of installed packages.
    """

    metered = False

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    @property
    def identity(self) -> Mapping[str, Any]:
        """The engine: its models have no versions that a user could choose."""
        return {"engine": "firefox"}

    def check(self) -> None:
        """:raises MissingDependencyError: if the engine is not installed."""
        require("translate", "translate:firefox", "fxtranslate")

    def translate(self, texts: Sequence[str], source: str, target: str) -> Iterator[tuple[str, str]]:
        """Each text with its translation, as they are done.

        :raises ModelError: if there is no model for the pair. :raises GenerationError: if the engine fails.
        """
        route = find_route(source, target, self._folder)
        count = max(1, min(len(texts) // AT_ONCE, count_cores(), MOST_PROCESSES))
        engines = [_Engine(route) for _ in range(count)]
        try:
            waiting = deque(texts)
            while waiting or any(engine.texts for engine in engines):
                for engine in engines:
                    while waiting and len(engine.texts) < AT_ONCE:
                        engine.give(waiting.popleft())
                for engine in engines:
                    if engine.texts:
                        yield engine.take()
        finally:
            for engine in engines:
                engine.stop()


class _Engine:
    """A process that translates, line by line; ``texts`` are those that it has not answered yet."""

    def __init__(self, route: Sequence[Model]) -> None:
        self.texts: deque[str] = deque()
        self._process = subprocess.Popen(
            [sys.executable, str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        self._send([asdict(model) for model in route])

    def give(self, text: str) -> None:
        self._send(text)
        self.texts.append(text)

    def take(self) -> tuple[str, str]:
        """The translation of the text that was given first. :raises GenerationError: if the process has ended."""
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            raise self._failed()
        return self.texts.popleft(), str(json.loads(line))

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _send(self, value: Any) -> None:
        if self._process.stdin is None:
            raise self._failed()
        try:
            self._process.stdin.write(json.dumps(value, default=str) + "\n")
            self._process.stdin.flush()
        except OSError:
            raise self._failed() from None

    def _failed(self) -> GenerationError:
        said = self._process.communicate()[1].strip().splitlines()
        return GenerationError(
            f"The translation engine ended: {said[-1] if said else f'exit code {self._process.returncode}'}",
            "",
            "Check the models (xqg models fetch --languages … fetches them anew)",
        )
