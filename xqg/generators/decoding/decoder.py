"""What every decoder is given and returns: prompts, limits, stop tokens, continuations."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from typing import Any, Protocol


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
    return list(takewhile(lambda token: token not in stops, tokens))


class StopTokens(Collection[int]):
    """The tokens that end a text or a turn, and every token with a line break in it.

    Whether a token has one is looked up when it is drawn: to go through a vocabulary of 262,144 takes 0.3 s, which only
    `generate` of transformers asks for, by iterating.
    """

    def __init__(self, tokenizer: Any, model: Any) -> None:
        self._tokenizer = tokenizer
        self._ends = frozenset(_ends(tokenizer, model))
        self._known: dict[object, bool] = dict.fromkeys(self._ends, True)

    def __contains__(self, token: object) -> bool:
        if token not in self._known:
            self._known[token] = _breaks_line(self._tokenizer.convert_ids_to_tokens(token))
        return self._known[token]

    def __iter__(self) -> Iterator[int]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    @cached_property
    def _all(self) -> list[int]:
        lines = {number for token, number in self._tokenizer.get_vocab().items() if _breaks_line(token)}
        return sorted(self._ends | lines)


def _ends(tokenizer: Any, model: Any) -> Iterator[int]:
    for value in (tokenizer.eos_token_id, model.config.eos_token_id, model.generation_config.eos_token_id):
        yield from value if isinstance(value, Iterable) else [] if value is None else [value]


def _breaks_line(token: str | None) -> bool:
    # "Ċ" is the line break in byte-level vocabularies, "<0x0A>" in those with byte fallback; a model may know more
    # tokens than its tokenizer
    return token is not None and ("\n" in token or "Ċ" in token or token == "<0x0A>")  # noqa: S105
