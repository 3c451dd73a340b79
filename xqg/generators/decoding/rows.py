"""The prompts of a passage as a tree, and the continuations in progress, side by side in a cache of numbered slots."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch.nn.functional import pad
from transformers.cache_utils import Cache, CacheLayerMixin

from xqg.generators.decoding.attention import Split
from xqg.generators.decoding.decoder import Limits, Prompt
from xqg.generators.decoding.top_k import choose_tokens, gumbel_noise

_LIVE_SHARE = 0.75
"""When fewer of the slots than this are still looked at, the others are thrown away."""


def common_prefix(sequences: Iterable[Sequence[int]]) -> tuple[int, ...]:
    """The tokens that all sequences begin with, but never a whole sequence, so that each has a token left to read."""
    bodies = [tuple(sequence)[:-1] for sequence in sequences]
    return tuple(os.path.commonprefix(bodies))  # noqa: RUF071 - these are no paths


class SlotLayer(CacheLayerMixin):  # type: ignore[misc]
    """Keys and values of one layer, shape (1, heads, slots, head size), in a buffer with room to grow.

    Which slot a token may look at is the business of the attention mask alone, also where the model has a
    sliding window: nothing is dropped here.
    """

    is_sliding = False

    def __init__(self, room: int) -> None:
        super().__init__()
        self.length = 0
        self._room = room

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Allocate the buffers in the shape and type of the first states."""
        self.keys = key_states.new_zeros(*key_states.shape[:2], self._room, key_states.shape[3])
        self.values = value_states.new_zeros(*value_states.shape[:2], self._room, value_states.shape[3])
        self.dtype, self.device, self.is_initialized = key_states.dtype, key_states.device, True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write new states behind the old ones and return all of them."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        end = self.length + key_states.shape[2]
        self.reserve(end)
        self.keys[:, :, self.length : end] = key_states
        self.values[:, :, self.length : end] = value_states
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def reserve(self, room: int) -> None:
        """Make the buffers at least ``room`` slots long."""
        if room > self._room:
            self._room = max(room, self._room + self._room // 2)
            more = (0, 0, 0, self._room - self.keys.shape[2])
            self.keys, self.values = (pad(buffer, more) for buffer in (self.keys, self.values))

    def keep(self, slots: torch.Tensor) -> None:
        """Throw all slots away but these (ascending)."""
        for buffer in (self.keys, self.values):
            buffer[:, :, : len(slots)] = buffer.index_select(2, slots)
        self.length = len(slots)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Number of keys a forward pass of ``query_length`` tokens sees, and the offset of the first."""
        return self.length + query_length, 0

    def get_seq_length(self) -> int:
        """Number of filled slots."""
        return self.length

    def get_max_length(self) -> int:
        """-1: there is no limit."""
        return -1

    get_max_cache_shape = get_max_length  # its name in older releases of transformers 5


class SlotCache(Cache):  # type: ignore[misc]
    """`SlotLayer` for each layer of a model."""

    def __init__(self, layers: int, room: int) -> None:
        super().__init__(layers=[SlotLayer(room) for _ in range(layers)])

    @property
    def length(self) -> int:
        """Number of filled slots."""
        return int(self.layers[0].length)

    def keep(self, slots: torch.Tensor) -> None:
        """Throw all slots away but these (ascending)."""
        for layer in self.layers:
            layer.keep(slots)

    def append(self, other: SlotCache, start: int = 0) -> None:
        """Copy the slots of ``other`` from ``start`` on behind these."""
        for mine, theirs in zip(self.layers, other.layers, strict=True):
            if theirs.is_initialized and theirs.length > start:
                mine.update(theirs.keys[:, :, start : theirs.length], theirs.values[:, :, start : theirs.length])


class PromptTree:
    """The prompts of one passage without the prefix they share with others: a trunk, then branches.

    ``tokens`` holds the trunk, what follows of each prompt but its last token, and at the end the last token of each
    prompt, so that the logits wanted are those of the last tokens. ``places`` has their positions, shape (tokens,),
    ``all_places`` the prefix's before them, and ``visible`` which of all of these each token may look at, shape
    (tokens, prefix + tokens).
    """

    def __init__(self, sequences: Sequence[Sequence[int]], prefix: int, device: torch.device) -> None:
        trunk = common_prefix(sequences)
        bodies = [(branch, sequence[len(trunk) : -1]) for branch, sequence in enumerate(sequences)]
        parts: list[tuple[int, int, int]] = [(-1, depth, token) for depth, token in enumerate(trunk)]
        for branch, body in bodies:
            parts += [(branch, len(trunk) + depth, token) for depth, token in enumerate(body)]
        parts += [(branch, len(sequence) - 1, sequence[-1]) for branch, sequence in enumerate(sequences)]
        branches = torch.tensor([branch for branch, _, _ in parts], device=device)
        depths = torch.tensor([depth for _, depth, _ in parts], device=device)
        self.tokens = [token for _, _, token in parts]
        self.places = depths + prefix
        self.all_places = torch.cat([torch.arange(prefix, device=device), self.places])
        related = (branches[None, :] == branches[:, None]) | (branches[None, :] == -1)
        own = related & (depths[None, :] <= depths[:, None])
        self.visible = torch.cat([own.new_ones(len(parts), prefix), own], dim=1)


@dataclass
class Row:
    """A continuation under way, and where it belongs; rows of one ``tree`` stand together and share its slots.

    Samples of a prompt are one row as long as they have drawn the same tokens.
    """

    prompt: int
    samples: list[int]
    tree: PromptTree
    written: list[int]
    ended: bool = False


class Rows:
    """The rows under way: their cache, what each may look at, and what it has written."""

    def __init__(self, limits: Limits, prefix: SlotCache, device: torch.device) -> None:
        self._limits = limits
        self._rows: list[Row] = []
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

    @property
    def samples(self) -> int:
        """Samples under way: the rows there may be in the end."""
        return len(self._noise)

    def add(self, cache: SlotCache, tree: PromptTree, numbers: Sequence[int], prompts: Sequence[Prompt]) -> None:
        """Take over the slots of a passage and start a row for each of its prompts."""
        start, before = self.prefix.length, self.cache.length
        self.cache.append(cache, start)
        self.slot_places = torch.cat([self.slot_places, tree.places])
        self._written = torch.cat([self._written, self._written.new_zeros(len(tree.tokens))])
        old = self._visible.new_zeros(self.count, len(tree.tokens))
        new = self._visible.new_zeros(len(prompts), before + len(tree.tokens))
        new[:, :start] = True
        new[:, before:] = tree.visible[-len(prompts) :, start:]
        self._visible = torch.cat([torch.cat([self._visible, old], dim=1), new])
        seeds = [seed for prompt in prompts for seed in prompt.seeds]
        noise = gumbel_noise(seeds, self._limits.max_new_tokens, self._limits.top_k, self._limits.temperature)
        self._noise = torch.cat([self._noise, noise.to(self._noise.device)])
        self.places = torch.cat([self.places, tree.places[-len(prompts) :]])
        self.tokens = torch.cat([self.tokens, self.tokens.new_zeros(len(prompts))])
        self._rows += [
            Row(number, list(range(len(prompt.seeds))), tree, [])
            for number, prompt in zip(numbers, prompts, strict=True)
        ]

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
        """Draw the next token of each sample in the rows from ``first`` on; where they differ, their row forks.

        :param values: logits of the ``likeliest`` tokens, both of shape (rows, k).
        """
        rows, device = self._rows[first:], values.device
        owners = [index for index, row in enumerate(rows) for _ in row.samples]
        steps = torch.tensor([len(rows[index].written) for index in owners], dtype=torch.long, device=device)
        before = self.samples - len(owners)
        noise = self._noise[before:][torch.arange(len(owners), device=device), steps]
        chosen = torch.tensor(owners, dtype=torch.long, device=device)
        drawn = enumerate(choose_tokens(values[chosen], likeliest[chosen], noise).tolist(), before)
        parents, order, tokens = list(range(first)), list(range(before)), self.tokens[:first].tolist()
        del self._rows[first:]
        for index, row in enumerate(rows, first):
            places: dict[int, list[tuple[int, int]]] = {}
            for sample, (place, token) in zip(row.samples, drawn, strict=False):
                places.setdefault(token, []).append((sample, place))
            for token, found in places.items():
                self._rows.append(self._grown(row, [sample for sample, _ in found], token))
                order += [place for _, place in found]
                parents.append(index)
                tokens.append(token)
        if parents != list(range(first + len(rows))):
            self._visible, self.places = self._visible[parents], self.places[parents]
            self._noise = self._noise[order]
        self.tokens = torch.tensor(tokens, dtype=torch.long, device=device)
        self.places[first:] += 1

    def _grown(self, row: Row, samples: list[int], token: int) -> Row:
        if token in self._limits.stops:
            return Row(row.prompt, samples, row.tree, row.written, ended=True)
        written = [*row.written, token]
        return Row(row.prompt, samples, row.tree, written, ended=len(written) == self._limits.max_new_tokens)

    def release(self) -> list[Row]:
        """Take the finished rows out, and with them the slots that nobody looks at any more."""
        ended = [row for row in self._rows if row.ended]
        if ended:
            alive = [index for index, row in enumerate(self._rows) if not row.ended]
            samples = torch.tensor(
                [not row.ended for row in self._rows for _ in row.samples], device=self.tokens.device
            )
            self._rows = [self._rows[index] for index in alive]
            chosen = torch.tensor(alive, dtype=torch.long, device=self.tokens.device)
            self._visible, self._noise = self._visible[chosen], self._noise[samples]
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
