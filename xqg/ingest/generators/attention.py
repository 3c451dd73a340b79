"""Attention of many rows to one cache, as two plain matrix products: on a CPU twice as fast as the fused kernel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

FOLDED = "xqg-folded"
"""The name under which transformers finds `folded_attention`."""


@dataclass(frozen=True)
class Block:
    """Rows from ``first`` to before ``last`` that look at no other slots than these."""

    first: int
    last: int
    slots: torch.Tensor
    _parts: list[tuple[torch.Tensor, torch.Tensor]] = field(default_factory=list, compare=False)

    def part_of(self, mask: torch.Tensor) -> torch.Tensor:
        """The part of ``mask``, shape (1, 1, rows, slots), for these; cut once for the layers that share the mask."""
        for whole, part in self._parts:
            if whole is mask:
                return part
        part = mask[:, :, self.first : self.last].index_select(3, self.slots)
        self._parts.append((mask, part))
        return part


def folded_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor,
    scaling: float,
    blocks: Sequence[Block] = (),
    **unused: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of one batch row; the query heads that share keys are folded into the rows instead of copying keys.

    The softmax is taken in float32, as eager attention of transformers does.

    :param query: shape (1, heads, rows, size). :param key: and ``value``: shape (1, key heads, slots, size).
    :param attention_mask: what is added to the scores, shape (1, 1, rows, slots).
    :param blocks: all rows in parts that can be computed apart; none: together.
    :returns: shape (1, rows, heads, size), and no weights.
    """
    query = query * scaling
    if len(blocks) < 2:
        return _attend(query, key, value, attention_mask), None
    parts = [
        _attend(
            query[:, :, block.first : block.last],
            key.index_select(2, block.slots),
            value.index_select(2, block.slots),
            block.part_of(attention_mask),
        )
        for block in blocks
    ]
    return torch.cat(parts, dim=1), None


def _attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    _, heads, rows, size = query.shape
    shared, slots = key.shape[1], key.shape[2]
    folded = query.reshape(shared, heads // shared * rows, size)
    scores = torch.bmm(folded, key[0].transpose(1, 2)).view(heads, rows, slots)
    weights = torch.softmax(scores.add_(mask[0]), dim=-1, dtype=torch.float32).to(value.dtype)
    mixed = torch.bmm(weights.view(shared, heads // shared * rows, slots), value[0])
    return mixed.view(1, heads, rows, size).transpose(1, 2).contiguous()


@contextmanager
def attention_of(config: Any, name: str | None) -> Iterator[None]:
    """Inside, models with this configuration use the attention of this name; None leaves them their own."""
    from transformers import AttentionInterface  # brings half of transformers: not before a model runs

    AttentionInterface.register(FOLDED, folded_attention)
    own = config._attn_implementation
    config._attn_implementation = own if name is None else name
    try:
        yield
    finally:
        config._attn_implementation = own
