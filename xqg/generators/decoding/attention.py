"""Attention of many rows to one cache, as two plain matrix products: on a CPU twice as fast as the fused kernel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

FOLDED = "xqg-folded"
"""The name under which transformers finds `folded_attention`."""


class Split:
    """Which slots rows look at: those that the rows of a block share, and those that each row looks at besides.

    Blocks are filled up to equal numbers of rows, and slots to equal numbers, so that one product computes them all.

    :param visible: which slots each row looks at, shape (rows, slots).
    :param owned: the slots that are not shared by a block, shape (slots,).
    :param sizes: number of rows in each block; the blocks follow each other.
    """

    def __init__(self, visible: torch.Tensor, owned: torch.Tensor, sizes: Sequence[int]) -> None:
        lengths = torch.tensor(sizes, device=visible.device)
        longest = torch.arange(max(sizes), device=visible.device)
        self.places = (longest < lengths[:, None]).flatten().nonzero().squeeze(1)
        """Where each row stands among the rows filled up."""
        self.rows = self.places.new_zeros(len(sizes) * max(sizes))
        """The row that stands in each place."""
        self.rows[self.places] = torch.arange(len(visible), device=visible.device)
        self.shared = _Slots(torch.stack([rows.any(dim=0) for rows in torch.split(visible & ~owned, list(sizes))]))
        self.own = _Slots(visible & owned)
        self._blocks = torch.repeat_interleave(torch.arange(len(sizes), device=visible.device), lengths)
        self._masks: list[tuple[torch.Tensor, torch.Tensor]] = []

    def mask(self, mask: torch.Tensor) -> torch.Tensor:
        """``mask``, shape (1, 1, rows, slots), for the shared and then the own slots, shape (rows, 1, both).

        Cut once for the layers that share it.
        """
        for whole, cut in self._masks:
            if whole is mask:
                return cut
        shared = self.shared.mask(mask[0, 0], self._blocks)
        own = self.own.mask(mask[0, 0], torch.arange(len(self._blocks), device=mask.device))
        cut = torch.cat([shared, own], dim=1)[:, None]
        self._masks.append((mask, cut))
        return cut


class _Slots:
    """Numbers of the slots chosen for each row or block, shape (rows, longest), filled up with any."""

    def __init__(self, chosen: torch.Tensor) -> None:
        counts = chosen.sum(dim=1, keepdim=True)
        present = torch.arange(int(counts.max()), device=chosen.device) < counts
        self.numbers = torch.zeros(present.shape, dtype=torch.long, device=chosen.device)
        self.numbers[present] = chosen.nonzero()[:, 1]
        self.absent = ~present

    def states(self, states: torch.Tensor) -> torch.Tensor:
        """Keys or values, shape (key heads, slots, size), of these slots: shape (key heads, rows, longest, size)."""
        return states.index_select(1, self.numbers.flatten()).view(len(states), *self.numbers.shape, -1)

    def mask(self, mask: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        """``mask``, shape (rows, slots), for the slots ``chosen`` for each of them, shape (rows, longest)."""
        return mask.gather(1, self.numbers[chosen]).masked_fill_(self.absent[chosen], torch.finfo(mask.dtype).min)


def folded_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor,
    scaling: float,
    split: Split | None = None,
    **unused: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of one batch row; the query heads that share keys are folded into the rows instead of copying keys.

    The softmax sums in float32, as torch does on a CPU for shorter types.

    :param query: shape (1, heads, rows, size). :param key: and ``value``: shape (1, key heads, slots, size).
    :param attention_mask: what is added to the scores, shape (1, 1, rows, slots).
    :param split: which slots the rows look at, so that no others are computed; None: all at all.
    :returns: shape (1, rows, heads, size), and no weights.
    """
    query, key, value = query[0] * scaling, key[0], value[0]
    folded = query.view(len(key), -1, *query.shape[1:]).transpose(1, 2)  # key heads, rows, query heads of each, size
    if split is None:
        weights = torch.softmax(_scores(folded, key[:, None]).add_(attention_mask[0, 0, :, None]), dim=-1)
        mixed = _mixed(weights, value[:, None])
    else:
        in_blocks = _scores(folded.index_select(1, split.rows), split.shared.states(key))
        parts = [in_blocks.index_select(1, split.places), _scores(folded, split.own.states(key))]
        weights = torch.softmax(torch.cat(parts, dim=-1).add_(split.mask(attention_mask)), dim=-1)
        shared, own = torch.split(weights, [part.shape[-1] for part in parts], dim=-1)
        in_blocks = _mixed(shared.index_select(1, split.rows), split.shared.states(value))
        mixed = _mixed(own, split.own.states(value)).add_(in_blocks.index_select(1, split.places))
    return mixed.transpose(0, 1).flatten(1, 2)[None], None


def _scores(query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
    """Of rows in blocks of equal length, shape (key heads, rows, heads, slots).

    :param query: shape (key heads, rows, heads, size). :param key: shape (key heads, blocks, slots, size).
    """
    blocks = key.flatten(0, 1)
    return torch.bmm(query.reshape(len(blocks), -1, query.shape[3]), blocks.mT).view(*query.shape[:3], -1)


def _mixed(weights: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Shape (key heads, rows, heads, size); :param weights, value: as query and key in `_scores`."""
    blocks = value.flatten(0, 1)
    return torch.bmm(weights.reshape(len(blocks), -1, weights.shape[3]), blocks).view(*weights.shape[:3], -1)


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
