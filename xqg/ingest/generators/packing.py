"""Layers as oneDNN computes them fastest: weights in its own layout, what follows a product within it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

USUAL_ROWS = 96
"""Rows that the layout is chosen for; any number can be multiplied."""

_FUSED = {"GELUTanh": ("gelu", "tanh"), "SiLUActivation": ("swish", ""), "SiLU": ("swish", "")}
"""Activations that oneDNN computes along with a product: its names for them, by their classes in transformers."""

_TOLERANCE = 0.02
"""How far a packed layer may be from the one it replaces, as a share of the largest value; else that one stays."""


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


class PackedNorm(torch.nn.Module):
    """A root mean square norm, computed in float32 in one buffer."""

    def __init__(self, weight: torch.Tensor, epsilon: float) -> None:
        super().__init__()
        self._weight, self._epsilon = weight, epsilon

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Of shape and type of ``states``."""
        found = states.to(torch.float32, copy=True, memory_format=torch.contiguous_format)
        length = torch.linalg.vector_norm(found, dim=-1, keepdim=True)
        mean_square = length.square_().div_(states.shape[-1])
        return found.mul_(mean_square.add_(self._epsilon).rsqrt_()).mul_(self._weight).to(states.dtype)


@torch.no_grad()
def pack_model(model: torch.nn.Module, spare: torch.nn.Module | None = None) -> None:
    """Put a `PackedLinear` in the place of every linear layer without bias; the model can only be run from then on.

    Gated feed-forward layers made of three of them become a `PackedGate`, norms a `PackedNorm`. An output layer that
    shares its weights with the embeddings would cost their size once more; ``spare`` spares it.
    """
    _replace(model, lambda layer: None if layer is spare else _as_linear(layer))
    _replace(model, lambda layer: _as_gate(layer) or _as_norm(layer))


def _replace(model: torch.nn.Module, packed: Callable[[torch.nn.Module], torch.nn.Module | None]) -> None:
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            layer = packed(child)
            if layer is not None:
                setattr(parent, name, layer)


def _as_linear(layer: torch.nn.Module) -> PackedLinear | None:
    return PackedLinear(layer) if type(layer) is torch.nn.Linear and layer.bias is None else None


def _as_gate(layer: Any) -> PackedGate | None:
    """The same layer as a `PackedGate`, if it consists of the usual parts and computes the same with them."""
    parts = dict(layer.named_children())
    gate, up, down = (parts.pop(name, None) for name in ("gate_proj", "up_proj", "down_proj"))
    fused = _FUSED.get(type(parts.pop("act_fn", None)).__name__)
    if parts or fused is None:
        return None
    if not (isinstance(gate, PackedLinear) and isinstance(up, PackedLinear) and isinstance(down, PackedLinear)):
        return None
    packed = PackedGate(gate, up, down, fused)
    return packed if _error(layer, packed, gate.size) <= _TOLERANCE else None


def _as_norm(layer: Any) -> PackedNorm | None:
    """The same norm as a `PackedNorm`, if it computes the same with its weight, or with 1 added as Gemma does."""
    weight, epsilon = getattr(layer, "weight", None), getattr(layer, "eps", getattr(layer, "variance_epsilon", None))
    if not type(layer).__name__.endswith("RMSNorm") or weight is None or epsilon is None:
        return None
    weight = weight.detach().float()
    norms = [PackedNorm(scale, epsilon) for scale in (weight, 1.0 + weight)]  # large weights: both come near
    errors = [_error(layer, norm, len(weight)) for norm in norms]
    return norms[errors.index(min(errors))] if min(errors) <= _TOLERANCE else None


def _error(layer: Any, packed: torch.nn.Module, size: int) -> float:
    """The largest difference between what the two compute, as a share of the largest value."""
    tried = torch.randn(4, size, generator=torch.Generator().manual_seed(0)).bfloat16()
    wanted = layer(tried)
    return float((packed(tried) - wanted).abs().max() / wanted.abs().max())
