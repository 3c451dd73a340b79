"""The continuations under way, side by side in one cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import torch

from xqg.ingest.generators.attention import Split
from xqg.ingest.generators.sampling import choose_tokens, gumbel_noise
from xqg.ingest.generators.slots import SlotCache
from xqg.ingest.generators.trees import Limits, Prompt, PromptTree

_LIVE_SHARE = 0.75
"""When fewer of the slots than this are still looked at, the others are thrown away."""


@dataclass
class Row:
    """A continuation under way, and where it belongs; rows of one ``tree`` stand together and share its slots."""

    prompt: int
    sample: int
    tree: PromptTree
    written: list[int]


class Rows:
    """The rows under way: their cache, what each may look at, and what it has written."""

    def __init__(self, limits: Limits, prefix: SlotCache, device: torch.device) -> None:
        self._limits = limits
        self._rows: list[Row] = []
        self._ended: list[bool] = []
        self.prefix = prefix
        self.cache = SlotCache(len(prefix.layers), prefix.length + 1024)
        self.cache.append(prefix)
        self.slot_places = torch.arange(prefix.length, device=device)
        self._visible = torch.zeros(0, prefix.length, dtype=torch.bool, device=device)
        self._written = torch.zeros(prefix.length, dtype=torch.bool, device=device)
        self._noise = torch.zeros(0, limits.max_new_tokens, limits.top_k, device=device)
        self.tokens = torch.zeros(0, dtype=torch.long, device=device)
        self.places = torch.zeros(0, dtype=torch.long, device=device)

    @property
    def count(self) -> int:
        """Rows under way."""
        return len(self._rows)

    def add(self, cache: SlotCache, tree: PromptTree, numbers: Sequence[int], prompts: Sequence[Prompt]) -> None:
        """Take over the slots of a passage and start a row for each seed of its prompts."""
        start, before = self.prefix.length, self.cache.length
        self.cache.append(cache, start)
        self.slot_places = torch.cat([self.slot_places, tree.places])
        self._written = torch.cat([self._written, self._written.new_zeros(len(tree.tokens))])
        fresh = [
            (branch, Row(number, sample, tree, []), seed)
            for branch, (number, prompt) in enumerate(zip(numbers, prompts, strict=True))
            for sample, seed in enumerate(prompt.seeds)
        ]
        lasts = [len(tree.tokens) - len(prompts) + branch for branch, _, _ in fresh]
        old = self._visible.new_zeros(self.count, len(tree.tokens))
        new = self._visible.new_zeros(len(fresh), before + len(tree.tokens))
        new[:, :start] = True
        new[:, before:] = tree.visible[lasts, start:]
        self._visible = torch.cat([torch.cat([self._visible, old], dim=1), new])
        noise = gumbel_noise(
            [seed for _, _, seed in fresh], self._limits.max_new_tokens, self._limits.top_k, self._limits.temperature
        )
        self._noise = torch.cat([self._noise, noise.to(self._noise.device)])
        self.places = torch.cat([self.places, tree.places[lasts]])
        self.tokens = torch.cat([self.tokens, self.tokens.new_zeros(len(fresh))])
        self._rows += [row for _, row, _ in fresh]
        self._ended += [False] * len(fresh)

    def open_slots(self) -> torch.Tensor:
        """A new slot for the next token of each row; which slots each row may look at, shape (rows, slots)."""
        own = torch.eye(self.count, dtype=torch.bool, device=self._visible.device)
        self._visible = torch.cat([self._visible, own], dim=1)
        self.slot_places = torch.cat([self.slot_places, self.places])
        self._written = torch.cat([self._written, self._written.new_ones(self.count)])
        return self._visible

    def split(self) -> Split:
        """The rows of each passage share the slots of its prompts, and each row has those that it has written."""
        sizes = [len(list(members)) for _, members in groupby(self._rows, key=lambda row: id(row.tree))]
        return Split(self._visible, self._written, sizes)

    def write(self, values: torch.Tensor, likeliest: torch.Tensor, first: int = 0) -> None:
        """Sample the next token of the rows from ``first`` on: one of the likeliest, whose logits are ``values``."""
        rows = self._rows[first:]
        steps = torch.tensor([len(row.written) for row in rows], device=values.device)
        noise = self._noise[first:][torch.arange(len(rows), device=values.device), steps]
        tokens = choose_tokens(values, likeliest, noise)
        self.tokens[first:] = tokens
        self.places[first:] += 1
        for offset, (row, token) in enumerate(zip(rows, tokens.tolist(), strict=True)):
            if token in self._limits.stops:
                self._ended[first + offset] = True
            else:
                row.written.append(token)
                self._ended[first + offset] = len(row.written) == self._limits.max_new_tokens

    def release(self) -> list[Row]:
        """Take the finished rows out, and with them the slots that nobody looks at any more."""
        ended = [row for row, is_ended in zip(self._rows, self._ended, strict=True) if is_ended]
        if ended:
            alive = [index for index, is_ended in enumerate(self._ended) if not is_ended]
            self._rows = [self._rows[index] for index in alive]
            self._ended = [False] * len(alive)
            chosen = torch.tensor(alive, dtype=torch.long, device=self.tokens.device)
            self._visible, self._noise = self._visible[chosen], self._noise[chosen]
            self.tokens, self.places = self.tokens[chosen], self.places[chosen]
            self._compact()
        return ended

    def _compact(self) -> None:
        looked_at = self._visible.any(dim=0)
        looked_at[: self.prefix.length] = True
        if looked_at.float().mean() < _LIVE_SHARE:
            slots = looked_at.nonzero().squeeze(-1)
            self.cache.keep(slots)
            self._visible, self._written = self._visible[:, slots], self._written[slots]
            self.slot_places = self.slot_places[slots]
