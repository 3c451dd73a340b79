"""The model as it was before training, in whose place the trained weights stand for all but a moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch


class StartingPoint:
    """Copies of the weights that training changes, in the memory of their device."""

    def __init__(self, model: Any) -> None:
        self._weights = [weight.detach().clone() for weight in _trained(model)]

    @contextmanager
    def restored(self, model: Any) -> Iterator[None]:
        """While it lasts, ``model`` is what it was; without gradients."""
        now = [weight.data for weight in _trained(model)]
        try:
            _put(model, self._weights)
            with torch.no_grad():
                yield
        finally:
            _put(model, now)


def _put(model: Any, weights: Sequence[torch.Tensor]) -> None:
    for weight, value in zip(_trained(model), weights, strict=True):
        weight.data = value
    torch.clear_autocast_cache()  # which holds the weights before, in half precision


def _trained(model: Any) -> list[torch.nn.Parameter]:
    return [weight for weight in model.parameters() if weight.requires_grad]
