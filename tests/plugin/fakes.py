"""What the tests of the adapters share: the word-counting encoder as each framework's embedding model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.fakes import FakeEncoder, FakeGenerator
from xqg.fusion.rules import Fusion
from xqg.plugin.augmenter import Augmenter
from xqg.records import FusionRule

HALF = Fusion(FusionRule.MEAN, 0.5)

TEXTS = ["battery valve", "invoice refund", "wifi password"]
"""The fake generator asks for the first word of each, so that half of it is fused on top."""

FUSED = [
    [1.0, 0, 0, 0.5, 0, 0, 0, 0],
    [0, 1.0, 0, 0, 0, 0.5, 0, 0],
    [0, 0, 0.5, 0, 1.0, 0, 0, 0],
]
"""(p + mean(q)) / 2 of each, on the axes of `tests.fakes.WORDS`."""


def counts(text: str) -> list[float]:
    """How often each of `tests.fakes.WORDS` occurs."""
    vector: list[float] = FakeEncoder().encode_queries([text])[0].tolist()
    return vector


def augmenter(generator: Any = None, languages: Sequence[str] = ("fr", "ja"), **options: Any) -> Augmenter:
    given = FakeGenerator() if generator is None else generator
    return Augmenter(given, languages, **{"fusion": HALF, "passage_language": "en", **options})
