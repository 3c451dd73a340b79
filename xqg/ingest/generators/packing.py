"""Weights in the layout in which oneDNN multiplies: the same numbers, without rearranging them at every step."""

from __future__ import annotations

from typing import Any

import torch

USUAL_ROWS = 96
"""Rows that the layout is chosen for; any number can be multiplied."""


_FUSED = {"GELUTanh": ("gelu", "tanh"), "SiLUActivation": ("swish", ""), "SiLU": ("swish", "")}
"""Activations that oneDNN computes along with a product: its names for them, by their classes in transformers."""

_TOLERANCE = 0.02


class PackedLinear(torch.nn.Module):
    """A linear layer without bias whose weights are kept in oneDNN's own layout; gives the same numbers."""

    def __init__(self, linear: torch.nn.Linear) -> None:
        super().__init__()
        self.size = linear.in_features
        self.weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), USUAL_ROWS)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """The product, shape (..., out features)."""
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(states, self.weight, None, "none", [], "")
        return product


def can_pack(model: Any) -> bool:
    """Whether packing pays: bfloat16 on a CPU that multiplies it (measured: a fifth faster; float32 gains nothing)."""
    return (
        model.device.type == "cpu"
        and model.dtype == torch.bfloat16
        and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
        and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    )


class PackedGate(torch.nn.Module):
    """A gated feed-forward layer of packed weights, whose activation and product are computed where they arise."""

    def __init__(self, gate: PackedLinear, up: PackedLinear, down: PackedLinear, activation: tuple[str, str]) -> None:
        super().__init__()
        self._gate, self._up, self._down = gate, up, down
        self._activation = activation

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """``down(activation(gate(states)) * up(states))``, shape (..., size)."""
        name, form = self._activation
        gate = torch.ops.mkldnn._linear_pointwise(states, self._gate.weight, None, name, [], form)
        product = torch.ops.mkldnn._linear_pointwise.binary(states, gate, self._up.weight, None, "mul")
        down: torch.Tensor = self._down(product)
        return down


@torch.no_grad()
def pack_linears(model: torch.nn.Module, spare: torch.nn.Module | None = None) -> None:
    """Put a `PackedLinear` in the place of every linear layer without bias; the model can only be run from then on.

    Gated feed-forward layers made of three of them become a `PackedGate`. An output layer that shares its weights with
    the embeddings would cost their size once more; ``spare`` spares it.
    """
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is torch.nn.Linear and child.bias is None and child is not spare:
                setattr(parent, name, PackedLinear(child))
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            gate = _as_gate(child)
            if gate is not None:
                setattr(parent, name, gate)


def _as_gate(layer: Any) -> PackedGate | None:
    """The same layer as a `PackedGate`, if it consists of the usual parts and computes the same with them."""
    parts = dict(layer.named_children())
    weights = [parts.pop(name, None) for name in ("gate_proj", "up_proj", "down_proj")]
    fused = _FUSED.get(type(parts.pop("act_fn", None)).__name__)
    if parts or fused is None or not all(isinstance(part, PackedLinear) for part in weights):
        return None
    gate = PackedGate(*weights, fused)
    tried = torch.randn(4, weights[0].size, generator=torch.Generator().manual_seed(0)).bfloat16()
    wanted = layer(tried)
    return gate if (gate(tried) - wanted).abs().max() <= _TOLERANCE * wanted.abs().max() else None
