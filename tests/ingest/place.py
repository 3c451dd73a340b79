"""A corpus of forty passages, and a store with what it takes to run jobs on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.fakes import WORDS, FakeEncoder, FakeGenerator, FakeStore
from xqg.ingest.job import IngestJob
from xqg.languages import LanguageDetector
from xqg.records import Passage
from xqg.settings import IngestSettings, validated

PASSAGES = [Passage(str(number), f"{WORDS[number % len(WORDS)]} {number}", language="en") for number in range(40)]


def settings(**changes: Any) -> IngestSettings:
    values: dict[str, Any] = {
        "store": {"spec": "edge:unused", "collection": "c"},
        "generator": {"spec": "hf:unused", "languages": ("fr", "ja"), "queries_per_language": 2},
        "batch_size": 16,
        **changes,
    }
    result: IngestSettings = validated(IngestSettings, values)
    return result


class Place:
    """A store with what it takes to run jobs on it."""

    def __init__(self) -> None:
        self.store, self.encoder, self.generator = FakeStore(), FakeEncoder(), FakeGenerator()

    def run(self, source: str, rejects: Path, options: IngestSettings | None = None, **keywords: Any) -> Any:
        chosen = settings() if options is None else options
        job = IngestJob(chosen, self.generator, self.encoder, self.store, LanguageDetector())
        return job.run([source], rejects, **keywords)

    def vectors(self) -> np.ndarray[Any, Any]:
        return np.stack([self.store.stored[item.id].vector for item in PASSAGES])  # type: ignore[misc]

    @property
    def metadata(self) -> Any:
        assert self.store.collection is not None
        return self.store.collection.metadata
