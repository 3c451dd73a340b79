"""What every decoder is handed and gives back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Prompt:
    """Token ids of a prompt, the number of its passage, and a seed for each continuation to write."""

    tokens: tuple[int, ...]
    passage: int
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Limits:
    """How continuations are written: tokens that end one, sampling, the longest, and rows at once."""

    stops: Collection[int]
    top_k: int
    max_new_tokens: int
    rows: int
    temperature: float = 1.0


class Decoder(Protocol):
    """Writes continuations of prompts by sampling among a model's k likeliest tokens.

    A continuation depends on its prompt and its seed alone, not on what else is written at the same time, up to the
    rounding of floating point numbers.
    """

    def decode(self, prompts: Sequence[Prompt]) -> list[list[list[int]]]:
        """The continuations of each prompt, one for each seed, as token ids without the token that ended them.

        :raises RuntimeError: if the model fails; if memory runs out, `MemoryError` or this.
        """


def until_stop(tokens: Sequence[int], stops: Collection[int]) -> list[int]:
    """The tokens before the first one that ends a continuation."""
    for index, token in enumerate(tokens):
        if token in stops:
            return list(tokens[:index])
    return list(tokens)
