"""Samples many continuations of prompts that share prefixes, reading every shared token once.

All prompts and continuations lie side by side in one key-value cache of numbered slots: the tokens that
all prompts begin with, then for each passage the trunk that its prompts share and a branch for each prompt, then the
tokens written so far. An attention mask tells which slots a row may look at, and explicit positions place the
tokens, so each row computes what it would compute alone, up to rounding. Nothing is padded and no cache is repeated
over languages or samples; samples of a prompt are one row until they differ; finished rows leave at once and the next
passage takes their place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import torch

from xqg.generators.decoding.attention import FOLDED, Split, attention_of
from xqg.generators.decoding.decoder import Limits, Prompt
from xqg.generators.decoding.rows import Row, Rows
from xqg.generators.decoding.screening import ScreenedHead
from xqg.generators.decoding.slots import SlotCache
from xqg.generators.decoding.top_k import largest
from xqg.generators.decoding.trees import PromptTree, common_prefix

Mask = torch.Tensor | dict[str, torch.Tensor]


class SharedPrefixDecoder:
    """Top-k sampling from a causal model.

    Without a ``head`` the distribution is that of plain top-k sampling, but for the rounding of logits. With one it
    is so wherever the head finds the true k likeliest tokens: see `ScreenedHead`.

    :param prefix: tokens that most prompts begin with (instructions, examples); their keys and values are kept
        between calls. Prompts may leave it earlier, or share nothing.
    :param attention: name of the attention to compute with; None: the model's own.
    :param head: finds the likeliest tokens in place of the model's output layer; None: that layer.
    """

    def __init__(
        self,
        model: Any,
        limits: Limits,
        prefix: Sequence[int] = (),
        attention: str | None = None,
        head: ScreenedHead | None = None,
    ) -> None:
        self._model = model
        self._attention = attention
        self._head = head
        self._limits = limits
        self._prefix = tuple(prefix)
        self._config = model.config.get_text_config()
        self._kept: SlotCache | None = None

    @torch.inference_mode()
    def decode(self, prompts: Sequence[Prompt]) -> list[list[list[int]]]:
        """See `Decoder`. Prompts of one passage are read together where they stand together."""
        found: list[list[list[int]]] = [[[] for _ in prompt.seeds] for prompt in prompts]
        shared = common_prefix([(*self._prefix, -1), *(prompt.tokens for prompt in prompts)])
        with attention_of(self._config, self._attention):
            for row in self._ended_rows(prompts, self._prefill_prefix(shared)):
                for sample in row.samples:
                    found[row.prompt][sample] = list(row.written)
        return found

    def _ended_rows(self, prompts: Sequence[Prompt], prefix: SlotCache) -> Iterator[Row]:
        """Write the continuations of all prompts; each row when it has ended."""
        rows, waiting = Rows(self._limits, prefix, self._model.device), deque(self._groups(prompts))
        while waiting or rows.count:
            if waiting and (not rows.count or rows.samples + _samples_of(prompts, waiting[0]) <= self._limits.rows):
                group = waiting.popleft()
                self._admit(rows, group, [prompts[index] for index in group])
            else:
                self._step(rows)
            yield from rows.release()

    def _groups(self, prompts: Sequence[Prompt]) -> Iterable[list[int]]:
        """Numbers of prompts to read together: of one passage, as many as there may be rows."""
        for _, members in groupby(range(len(prompts)), key=lambda index: prompts[index].passage):
            group: list[int] = []
            for index in members:
                if group and _samples_of(prompts, [*group, index]) > self._limits.rows:
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
        if self._head is not None:
            raise ValueError("this decoder never computes all logits")
        shared = common_prefix([(*self._prefix, -1), *prompts])
        with attention_of(self._config, self._attention):
            return self._read(self._prefill_prefix(shared), prompts, len(shared))[2]

    def _read(
        self, prefix: SlotCache, prompts: Sequence[Sequence[int]], shared: int
    ) -> tuple[SlotCache, PromptTree, torch.Tensor]:
        """Read the prompts of one passage behind the shared tokens; the outputs after each prompt."""
        tree = PromptTree([prompt[shared:] for prompt in prompts], shared, self._model.device)
        cache = SlotCache(self._config.num_hidden_layers, shared + len(tree.tokens))
        cache.append(prefix)
        outputs = self._forward(cache, tree.tokens, tree.places, tree.visible, tree.all_places, keep=len(prompts))
        return cache, tree, outputs

    def _admit(self, rows: Rows, numbers: Sequence[int], prompts: Sequence[Prompt]) -> None:
        """Read the prompts of one passage and start their rows with a first token for each sample."""
        cache, tree, outputs = self._read(rows.prefix, [prompt.tokens for prompt in prompts], rows.prefix.length)
        rows.add(cache, tree, numbers, prompts)
        rows.write(*self._likeliest(outputs), first=rows.count - len(prompts))

    def _step(self, rows: Rows) -> None:
        visible = rows.open_slots()
        split = rows.split() if self._attention == FOLDED else None
        outputs = self._forward(rows.cache, rows.tokens, rows.places, visible, rows.slot_places, rows.count, split)
        rows.write(*self._likeliest(outputs))

    def _likeliest(self, outputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of the k likeliest next tokens, and these tokens, both of shape (rows, k)."""
        find = largest if self._head is None else self._head.largest
        return find(outputs, self._limits.top_k)

    def _forward(
        self,
        cache: SlotCache,
        tokens: Sequence[int] | torch.Tensor,
        places: torch.Tensor,
        visible: torch.Tensor,
        slot_places: torch.Tensor,
        keep: int,
        split: Split | None = None,
    ) -> torch.Tensor:
        """Outputs at the last ``keep`` tokens: logits, shape (keep, vocabulary), or states where a head takes those.

        :param places: position of each token in its own sequence, shape (tokens,).
        :param visible: which slots, its own included, each token may look at, shape (tokens, slots).
        :param slot_places: position of the token in each slot, shape (slots,).
        :param split: which slots the tokens look at, for `FOLDED` attention.
        """
        device = self._model.device
        given = {
            "input_ids": torch.as_tensor(tokens, device=device)[None],
            "position_ids": places[None],
            "attention_mask": self._mask(visible, places, slot_places),
            "past_key_values": cache,
            "use_cache": True,
            **({} if split is None else {"split": split}),
        }
        outputs: torch.Tensor
        if self._head is None:
            outputs = self._model(**given, logits_to_keep=keep).logits[0]
        else:
            outputs = self._model.get_decoder()(**given).last_hidden_state[0, -keep:]
        return outputs

    def _mask(self, visible: torch.Tensor, places: torch.Tensor, slot_places: torch.Tensor) -> Mask:
        """The additive mask in the form the model wants: one, or one for each kind of layer."""
        kinds = getattr(self._config, "layer_types", None)
        window = getattr(self._config, "sliding_window", None)
        full = _additive(visible, self._model.dtype)
        if window is None or (kinds is not None and "sliding_attention" not in kinds):
            return full if kinds is None else dict.fromkeys(sorted(set(kinds)), full)
        if int(places.max()) < window:
            sliding = full  # nothing is further back
        else:
            sliding = _additive(visible & (slot_places[None, :] > places[:, None] - window), self._model.dtype)
        if kinds is None:
            return sliding
        return {kind: sliding if kind == "sliding_attention" else full for kind in sorted(set(kinds))}


def _samples_of(prompts: Sequence[Prompt], group: Sequence[int]) -> int:
    return sum(len(prompts[index].seeds) for index in group)


def _additive(visible: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """0 where a token may look and the smallest number elsewhere, shape (1, 1, tokens, slots)."""
    mask = torch.zeros(visible.shape, dtype=dtype, device=visible.device)
    return mask.masked_fill_(~visible, torch.finfo(dtype).min)[None, None]
