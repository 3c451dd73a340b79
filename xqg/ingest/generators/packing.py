"""Weights in the layout in which oneDNN multiplies: the same numbers, without rearranging them at every step."""

from __future__ import annotations

from typing import Any

import torch

USUAL_ROWS = 96
"""Rows that the layout is chosen for; any number can be multiplied."""


class PackedLinear(torch.nn.Module):
    """A linear layer without bias whose weights are kept in oneDNN's own layout; gives the same numbers."""

    def __init__(self, linear: torch.nn.Linear) -> None:
        super().__init__()
        self._weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), USUAL_ROWS)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """The product, shape (..., out features)."""
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(states, self._weight, None, "none", [], "")
        return product


def can_pack(model: Any) -> bool:
    """Whether packing pays: bfloat16 on a CPU that multiplies it (measured: a fifth faster; float32 gains nothing)."""
    return (
        model.device.type == "cpu"
        and model.dtype == torch.bfloat16
        and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
        and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    )


@torch.no_grad()
def pack_linears(model: torch.nn.Module, spare: torch.nn.Module | None = None) -> None:
    """Put a `PackedLinear` in the place of every linear layer without bias; the model can only be run from then on.

    An output layer that shares its weights with the embeddings would cost their size once more; ``spare`` spares it.
    """
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is torch.nn.Linear and child.bias is None and child is not spare:
                setattr(parent, name, PackedLinear(child))
