"""The projection onto the vocabulary, a block of tokens at a time: in float32 on a CPU much faster than at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

_BLOCK = 512
_APART = _BLOCK + 16  # of two rows: a power of two apart, the rows of a block would share few places of a cache


class BlockedHead(torch.nn.Module):
    """Computes what a `torch.nn.Linear` without a bias does, into memory that the next call writes over."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.weight = weight
        self._logits = weight.new_empty(0, len(weight))

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """The logits, shape (1, rows, vocabulary), of states, shape (1, rows, size)."""
        rows = states[0]
        if len(rows) > len(self._logits):
            del self._logits
            self._logits = rows.new_empty(len(rows), len(self.weight) + _APART)[:, : len(self.weight)]
        logits = self._logits[: len(rows)]
        for weights, part in zip(torch.split(self.weight, _BLOCK), torch.split(logits, _BLOCK, dim=1), strict=True):
            torch.mm(rows, weights.T, out=part)
        return logits[None]


@contextmanager
def blocked_head(model: Any) -> Iterator[None]:
    """Inside, a model in float32 on a CPU projects in blocks; its logits hold until it is called again."""
    head = model.get_output_embeddings()
    served = type(head) is torch.nn.Linear and head.bias is None and head.weight.dtype == torch.float32
    if not served or head.weight.device.type != "cpu":
        yield
        return
    model.set_output_embeddings(BlockedHead(head.weight.detach()))
    try:
        yield
    finally:
        model.set_output_embeddings(head)
