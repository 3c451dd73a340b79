"""Attention of many rows to one cache, as two plain matrix products: on a CPU twice as fast as the fused kernel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import AttentionInterface

FOLDED = "xqg-folded"
"""The name under which transformers finds `folded_attention`."""


def folded_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor,
    scaling: float,
    **unused: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of one batch row; the query heads that share keys are folded into the rows instead of copying keys.

    The softmax is taken in float32, as eager attention of transformers does.

    :param query: shape (1, heads, rows, size). :param key: and ``value``: shape (1, key heads, slots, size).
    :param attention_mask: what is added to the scores, shape (1, 1, rows, slots).
    :returns: shape (1, rows, heads, size), and no weights.
    """
    _, heads, rows, size = query.shape
    shared, slots = key.shape[1], key.shape[2]
    folded = (query * scaling).reshape(shared, heads // shared * rows, size)
    scores = torch.bmm(folded, key[0].transpose(1, 2)).view(heads, rows, slots)
    weights = torch.softmax(scores.add_(attention_mask[0]), dim=-1, dtype=torch.float32).to(value.dtype)
    mixed = torch.bmm(weights.view(shared, heads // shared * rows, slots), value[0])
    return mixed.view(1, heads, rows, size).transpose(1, 2).contiguous(), None


AttentionInterface.register(FOLDED, folded_attention)


@contextmanager
def attention_of(config: Any, name: str | None) -> Iterator[None]:
    """Inside, models with this configuration use the attention of this name; None leaves them their own."""
    own = config._attn_implementation
    config._attn_implementation = own if name is None else name
    try:
        yield
    finally:
        config._attn_implementation = own
