"""Which tokens end a query."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from typing import Any


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
