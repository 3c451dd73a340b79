"""Samples many continuations of prompts that share prefixes, reading every shared token once.

All prompts and continuations lie side by side in one key-value cache of numbered slots: the tokens that
all prompts begin with, then for each passage the trunk that its prompts share and a branch for each prompt, then the
tokens written so far. An attention mask tells which slots a row may look at, and explicit positions place the
tokens, so each row computes what it would compute alone, up to rounding. Nothing is padded and no cache is repeated
over languages or samples; samples of a prompt are one row until they differ; finished rows leave at once and the next
passage takes their place.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import torch

from xqg.generators.decoding.attention import FOLDED, Split, attention_of
from xqg.generators.decoding.decoder import Decoder, GenerateDecoder, Limits, Prompt
from xqg.generators.decoding.head import blocked_head
from xqg.generators.decoding.rows import PromptTree, Row, Rows, SlotCache, common_prefix
from xqg.generators.decoding.top_k import largest

logger = logging.getLogger(__name__)

Mask = torch.Tensor | dict[str, torch.Tensor]

TRIED_TOKENS = 24
_TOLERANCE = 0.05
"""Allowed difference of two logits as a share of their range; 0.01 is usual in bfloat16, and a wrong mask gives 0.3."""


class SharedPrefixDecoder:
    """Top-k sampling from a causal model; the distribution is that of plain sampling, up to the rounding of logits.

    :param prefix: tokens that most prompts begin with (instructions, examples); their keys and values are kept
        between calls. Prompts may leave it earlier, or share nothing.
    :param attention: name of the attention to compute with; None: the model's own.
    """

    def __init__(self, model: Any, limits: Limits, prefix: Sequence[int] = (), attention: str | None = None) -> None:
        self._model = model
        self._attention = attention
        self._limits = limits
        self._prefix = tuple(prefix)
        self._config = model.config.get_text_config()
        self._kept: SlotCache | None = None
        self._lock = threading.Lock()  # attention and head are changed on the model that all threads share

    @torch.inference_mode()
    def decode(self, prompts: Sequence[Prompt]) -> list[list[list[int]]]:
        """See `Decoder`. Prompts of one passage are read together where they stand together."""
        found: list[list[list[int]]] = [[[] for _ in prompt.seeds] for prompt in prompts]
        shared = common_prefix([(*self._prefix, -1), *(prompt.tokens for prompt in prompts)])
        with self._lock, attention_of(self._config, self._attention), blocked_head(self._model):
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
        shared = common_prefix([(*self._prefix, -1), *prompts])
        with attention_of(self._config, self._attention), blocked_head(self._model):
            return self._read(self._prefill_prefix(shared), prompts, len(shared))[2]

    def _read(
        self, prefix: SlotCache, prompts: Sequence[Sequence[int]], shared: int
    ) -> tuple[SlotCache, PromptTree, torch.Tensor]:
        """Read the prompts of one passage behind the shared tokens; the logits after each prompt."""
        tree = PromptTree([prompt[shared:] for prompt in prompts], shared, self._model.device)
        cache = SlotCache(self._config.num_hidden_layers, shared + len(tree.tokens))
        cache.append(prefix)
        logits = self._forward(cache, tree.tokens, tree.places, tree.visible, tree.all_places, keep=len(prompts))
        return cache, tree, logits

    def _admit(self, rows: Rows, numbers: Sequence[int], prompts: Sequence[Prompt]) -> None:
        """Read the prompts of one passage and start their rows with a first token for each sample."""
        cache, tree, logits = self._read(rows.prefix, [prompt.tokens for prompt in prompts], rows.prefix.length)
        rows.add(cache, tree, numbers, prompts)
        rows.write(*largest(logits, self._limits.top_k), first=rows.count - len(prompts))

    def _step(self, rows: Rows) -> None:
        visible = rows.open_slots()
        split = rows.split() if self._attention == FOLDED else None
        logits = self._forward(rows.cache, rows.tokens, rows.places, visible, rows.slot_places, rows.count, split)
        rows.write(*largest(logits, self._limits.top_k))

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
        """The logits at the last ``keep`` tokens, shape (keep, vocabulary).

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
        logits: torch.Tensor = self._model(**given, logits_to_keep=keep).logits[0]
        return logits

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


def choose_decoder(model: Any, name: str, limits: Limits, prefix: Sequence[int], trial: Sequence[int]) -> Decoder:
    """The fastest decoder that computes what the model itself computes.

    :param name: of the model, for the log. :param prefix: tokens that most prompts begin with.
    :param trial: a prompt to try it on, at least `TRIED_TOKENS` long.
    """
    for attention in (FOLDED, None) if model.device.type == "cpu" else (None,):
        if agrees(model, trial, attention):
            return SharedPrefixDecoder(model, limits, prefix, attention)
    logger.warning("%s cannot share prefixes: its queries are written one prompt at a time", name)
    return GenerateDecoder(model, limits)


@torch.inference_mode()
def agrees(model: Any, prompt: Sequence[int], attention: str | None = None) -> bool:
    """Whether `SharedPrefixDecoder`, with this attention, computes the logits of this model as the model itself does.

    Tried on the first tokens of a real prompt, since what a model does with masks and positions shows in no
    configuration, and since on tokens without sense rounding alone may look like a mistake.
    """
    tokens = list(prompt[:TRIED_TOKENS])
    prompts = [tokens, tokens[:18] + tokens[3:6]]
    decoder = SharedPrefixDecoder(model, Limits(frozenset(), 1, 1, 2), tokens[:8], attention)
    try:
        shared = decoder.first_logits(prompts)
        for row, prompt in zip(shared, prompts, strict=True):
            plain = model(input_ids=torch.tensor([prompt], device=model.device)).logits[0, -1].float()
            spread = plain.max() - plain.min()
            if not bool((row.float() - plain).abs().max() <= _TOLERANCE * spread):
                return False
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, RuntimeError):
        return False
    return True


def _samples_of(prompts: Sequence[Prompt], group: Sequence[int]) -> int:
    return sum(len(prompts[index].seeds) for index in group)


def _additive(visible: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """0 where a token may look and the smallest number elsewhere, shape (1, 1, tokens, slots)."""
    mask = torch.zeros(visible.shape, dtype=dtype, device=visible.device)
    return mask.masked_fill_(~visible, torch.finfo(dtype).min)[None, None]
