"""Samples many continuations of prompts that share prefixes, reading every shared token once.

All prompts and continuations lie side by side in one key-value cache of numbered slots: the tokens that
all prompts begin with, then for each passage the trunk that its prompts share and a branch for each prompt, then the
tokens written so far. An attention mask tells which slots a row may look at, and explicit positions place the
tokens, so each row computes exactly what it would compute alone. Nothing is padded and no cache is repeated over
languages or samples; finished rows leave at once and the next passage takes their place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch

from xqg.ingest.generators.sampling import gumbel_noise, sample_tokens
from xqg.ingest.generators.slots import SlotCache

_LIVE_SHARE = 0.75
"""When fewer of the slots than this are still looked at, the others are thrown away."""

Mask = torch.Tensor | dict[str, torch.Tensor]


@dataclass(frozen=True)
class Prompt:
    """Token ids of a prompt, the number of its passage, and a seed for each continuation to write."""

    tokens: tuple[int, ...]
    passage: int
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Limits:
    """How continuations are written: tokens that end one, sampling, the longest, and rows at once."""

    stops: frozenset[int]
    top_k: int
    max_new_tokens: int
    rows: int


@dataclass
class _Row:
    """A continuation under way, and where it belongs."""

    prompt: int
    sample: int
    written: list[int]


def common_prefix(sequences: Iterable[Sequence[int]]) -> tuple[int, ...]:
    """The tokens that all sequences begin with, but never a whole sequence, so that each has a token left to read."""
    ordered = [tuple(sequence) for sequence in sequences]
    if not ordered:
        return ()
    first, last = min(ordered), max(ordered)
    longest = min(len(sequence) for sequence in ordered) - 1
    for index in range(longest):
        if first[index] != last[index]:
            return first[:index]
    return first[: max(longest, 0)]


class SharedPrefixDecoder:
    """Top-k sampling at temperature 1 from a causal model, the same distribution as plain sampling.

    :param prefix: tokens that most prompts begin with (instructions, examples); their keys and values are kept
        between calls. Prompts may leave it earlier, or share nothing.
    """

    def __init__(self, model: Any, limits: Limits, prefix: Sequence[int] = ()) -> None:
        self._model = model
        self._limits = limits
        self._prefix = tuple(prefix)
        self._config = model.config.get_text_config()
        self._kept: SlotCache | None = None

    @torch.inference_mode()
    def decode(self, prompts: Sequence[Prompt]) -> list[list[list[int]]]:
        """The continuations of each prompt, one for each seed, as token ids without the token that ended them.

        Prompts of one passage are read together where they stand together.
        """
        found: list[list[list[int]]] = [[[] for _ in prompt.seeds] for prompt in prompts]
        shared = common_prefix([(*self._prefix, -1), *(prompt.tokens for prompt in prompts)])
        rows = _Rows(self._limits, self._prefill_prefix(shared), self._model.device)
        waiting = deque(self._groups(prompts))
        while waiting or rows.count:
            if waiting and (not rows.count or rows.count + _rows_of(prompts, waiting[0]) <= self._limits.rows):
                group = waiting.popleft()
                self._admit(rows, group, [prompts[index] for index in group])
            else:
                self._step(rows)
            for row in rows.release():
                found[row.prompt][row.sample] = row.written
        return found

    def _groups(self, prompts: Sequence[Prompt]) -> Iterable[list[int]]:
        """Numbers of prompts to read together: of one passage, as many as there may be rows."""
        for _, members in groupby(range(len(prompts)), key=lambda index: prompts[index].passage):
            group: list[int] = []
            for index in members:
                if group and _rows_of(prompts, [*group, index]) > self._limits.rows:
                    yield group
                    group = []
                group.append(index)
            yield group

    def _prefill_prefix(self, shared: tuple[int, ...]) -> SlotCache:
        """A cache with the shared tokens; what was read for earlier calls is copied."""
        cache = SlotCache(self._config.num_hidden_layers, len(shared) + 256)
        if not shared:
            return cache
        if self._kept is None or self._kept.length < len(shared):
            size = len(shared)
            self._kept = SlotCache(self._config.num_hidden_layers, size)
            visible = torch.ones(size, size, dtype=torch.bool, device=self._model.device).tril()
            places = torch.arange(size, device=self._model.device)
            self._forward(self._kept, list(shared), places, visible, places, keep=1)
        cache.append(self._kept)
        if cache.length > len(shared):
            cache.keep(torch.arange(len(shared), device=self._model.device))
        return cache

    def first_logits(self, prompts: Sequence[Sequence[int]]) -> torch.Tensor:
        """The logits after each of these prompts of one passage, shape (prompts, vocabulary)."""
        shared = common_prefix([(*self._prefix, -1), *prompts])
        return self._read(self._prefill_prefix(shared), prompts, len(shared))[2]

    def _read(
        self, prefix: SlotCache, prompts: Sequence[Sequence[int]], shared: int
    ) -> tuple[SlotCache, _Tree, torch.Tensor]:
        """Read the prompts of one passage behind the shared tokens; the logits after each prompt."""
        tree = _Tree([prompt[shared:] for prompt in prompts], shared, self._model.device)
        cache = SlotCache(self._config.num_hidden_layers, shared + len(tree.tokens))
        cache.append(prefix)
        logits = self._forward(cache, tree.tokens, tree.places, tree.visible, tree.all_places, keep=len(prompts))
        return cache, tree, logits

    def _admit(self, rows: _Rows, numbers: Sequence[int], prompts: Sequence[Prompt]) -> None:
        """Read the prompts of one passage and start their rows with a first token each."""
        cache, tree, logits = self._read(rows.prefix, [prompt.tokens for prompt in prompts], rows.prefix.length)
        rows.add(cache, tree, numbers, prompts)
        owners = [branch for branch, prompt in enumerate(prompts) for _ in prompt.seeds]
        rows.write(logits[torch.tensor(owners, device=logits.device)], first=rows.count - len(owners))

    def _step(self, rows: _Rows) -> None:
        visible = rows.open_slots()
        logits = self._forward(rows.cache, rows.tokens, rows.places, visible, rows.slot_places, keep=rows.count)
        rows.write(logits, first=0)

    def _forward(
        self,
        cache: SlotCache,
        tokens: Sequence[int] | torch.Tensor,
        places: torch.Tensor,
        visible: torch.Tensor,
        slot_places: torch.Tensor,
        keep: int,
    ) -> torch.Tensor:
        """Logits of the last ``keep`` tokens, shape (keep, vocabulary).

        :param places: position of each token in its own sequence, shape (tokens,).
        :param visible: which slots, its own included, each token may look at, shape (tokens, slots).
        :param slot_places: position of the token in each slot, shape (slots,).
        """
        device = self._model.device
        output = self._model(
            input_ids=torch.as_tensor(tokens, device=device)[None],
            position_ids=places[None],
            attention_mask=self._mask(visible, places, slot_places),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=keep,
        )
        logits: torch.Tensor = output.logits[0]
        return logits

    def _mask(self, visible: torch.Tensor, places: torch.Tensor, slot_places: torch.Tensor) -> Mask:
        """The additive mask in the form the model wants: one, or one for each kind of layer."""
        kinds = getattr(self._config, "layer_types", None)
        window = getattr(self._config, "sliding_window", None)
        full = _additive(visible, self._model.dtype)
        if window is None or (kinds is not None and "sliding_attention" not in kinds):
            return full if kinds is None else dict.fromkeys(sorted(set(kinds)), full)
        near = visible & (slot_places[None, :] > places[:, None] - window)
        sliding = _additive(near, self._model.dtype)
        if kinds is None:
            return sliding
        return {kind: sliding if kind == "sliding_attention" else full for kind in sorted(set(kinds))}


class _Tree:
    """The prompts of one passage without the shared prefix: a trunk, then branches, their last tokens at the end."""

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


class _Rows:
    """The rows under way: their cache, what each may look at, and what it has written."""

    def __init__(self, limits: Limits, prefix: SlotCache, device: torch.device) -> None:
        self._limits = limits
        self._rows: list[_Row] = []
        self._ended: list[bool] = []
        self.prefix = prefix
        self.cache = SlotCache(len(prefix.layers), prefix.length + 1024)
        self.cache.append(prefix)
        self.slot_places = torch.arange(prefix.length, device=device)
        self._visible = torch.zeros(0, prefix.length, dtype=torch.bool, device=device)
        self._noise = torch.zeros(0, limits.max_new_tokens, limits.top_k, device=device)
        self.tokens = torch.zeros(0, dtype=torch.long, device=device)
        self.places = torch.zeros(0, dtype=torch.long, device=device)

    @property
    def count(self) -> int:
        """Rows under way."""
        return len(self._rows)

    def add(self, cache: SlotCache, tree: _Tree, numbers: Sequence[int], prompts: Sequence[Prompt]) -> None:
        """Take over the slots of a passage and start a row for each seed of its prompts."""
        start, before = self.prefix.length, self.cache.length
        self.cache.append(cache, start)
        self.slot_places = torch.cat([self.slot_places, tree.places])
        fresh = [
            (branch, _Row(number, sample, []), seed)
            for branch, (number, prompt) in enumerate(zip(numbers, prompts, strict=True))
            for sample, seed in enumerate(prompt.seeds)
        ]
        lasts = [len(tree.tokens) - len(prompts) + branch for branch, _, _ in fresh]
        old = self._visible.new_zeros(self.count, len(tree.tokens))
        new = self._visible.new_zeros(len(fresh), before + len(tree.tokens))
        new[:, :start] = True
        new[:, before:] = tree.visible[lasts, start:]
        self._visible = torch.cat([torch.cat([self._visible, old], dim=1), new])
        noise = gumbel_noise([seed for _, _, seed in fresh], self._limits.max_new_tokens, self._limits.top_k)
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
        return self._visible

    def write(self, logits: torch.Tensor, first: int) -> None:
        """Sample the next token of the rows from ``first`` on."""
        rows = self._rows[first:]
        steps = torch.tensor([len(row.written) for row in rows], device=logits.device)
        noise = self._noise[first:][torch.arange(len(rows), device=logits.device), steps]
        tokens = sample_tokens(logits, noise)
        self.tokens[first:] = tokens
        self.places[first:] += 1
        for offset, (row, token) in enumerate(zip(rows, tokens.tolist(), strict=True)):
            if token in self._limits.stops:
                self._ended[first + offset] = True
            else:
                row.written.append(token)
                self._ended[first + offset] = len(row.written) == self._limits.max_new_tokens

    def release(self) -> list[_Row]:
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
            self._visible, self.slot_places = self._visible[:, slots], self.slot_places[slots]


def _rows_of(prompts: Sequence[Prompt], group: Sequence[int]) -> int:
    return sum(len(prompts[index].seeds) for index in group)


def _additive(visible: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """0 where a token may look and the smallest number elsewhere, shape (1, 1, tokens, slots)."""
    mask = torch.zeros(visible.shape, dtype=dtype, device=visible.device)
    return mask.masked_fill_(~visible, torch.finfo(dtype).min)[None, None]
