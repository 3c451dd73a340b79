"""Cross entropy over a large vocabulary at the positions that count, without ever holding all its probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

CHUNK_ROWS = 256
"""Rows of logits held at once."""


@dataclass(frozen=True)
class OutputSample:
    """A part of the vocabulary that stands for all of it.

    ``tokens``: the tokens in it, shape (n,). ``offsets``: log of how many tokens each one stands for, shape (n,);
    adding it to the logits makes the sum of their exponentials an unbiased estimate of the whole sum.
    ``places``: for each token of the vocabulary its place in ``tokens``, -1 where it has none.
    """

    tokens: torch.Tensor
    offsets: torch.Tensor
    places: torch.Tensor


def draw_sample(kept: torch.Tensor, others: torch.Tensor, size: int, generator: torch.Generator) -> OutputSample:
    """All of ``kept`` and ``size`` of ``others``, drawn without replacement.

    :param kept: tokens that targets may have. :param others: the rest of the vocabulary.
    """
    size = min(size, len(others))
    drawn = others[torch.randperm(len(others), generator=generator)[:size]]
    offsets = torch.zeros(len(kept) + size)
    if size:
        offsets[len(kept) :] = torch.log(torch.tensor(len(others) / size))
    tokens = torch.cat([kept, drawn])
    places = torch.full((len(kept) + len(others),), -1, dtype=torch.long)
    places[tokens] = torch.arange(len(tokens))
    return OutputSample(tokens, offsets, places)


def query_loss(
    hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, cap: float | None, sample: OutputSample | None
) -> torch.Tensor:
    """Mean cross entropy of ``targets``, a scalar that can be differentiated by ``hidden``.

    :param hidden: shape (rows, width). :param weight: the output layer, shape (vocabulary, width), not trained here.
    :param targets: shape (rows,). :param cap: soft cap on logits, as in Gemma 2.
    """
    offsets = None
    if sample is not None:
        weight = weight[sample.tokens.to(weight.device)]
        targets = sample.places.to(targets.device)[targets]
        offsets = sample.offsets.to(weight.device)
    loss: torch.Tensor = _ChunkedCrossEntropy.apply(hidden, weight, targets, cap, offsets)  # type: ignore[no-untyped-call]
    return loss


class _ChunkedCrossEntropy(torch.autograd.Function):
    """The gradient is made along with the loss, so each chunk of logits is computed once and thrown away."""

    @staticmethod
    def forward(
        context: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        targets: torch.Tensor,
        cap: float | None,
        offsets: torch.Tensor | None,
    ) -> torch.Tensor:
        gradient = torch.empty_like(hidden)
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        for start in range(0, len(hidden), CHUNK_ROWS):
            place = slice(start, start + CHUNK_ROWS)
            loss, slope = _chunk(hidden[place].to(weight.dtype), weight, targets[place], cap, offsets)
            total += loss
            gradient[place] = slope / len(hidden)
        context.save_for_backward(gradient)
        return total / len(hidden)

    @staticmethod
    def backward(context: Any, *outer: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (gradient,) = context.saved_tensors
        return gradient * outer[0].to(gradient.dtype), None, None, None, None


def _chunk(
    hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, cap: float | None, offsets: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Summed loss of some rows and its gradient by them."""
    logits = functional.linear(hidden, weight).float()
    damping = None
    if cap is not None:
        bent = torch.tanh(logits / cap)
        logits, damping = cap * bent, 1 - bent**2
    shifted = logits if offsets is None else logits + offsets
    chosen = targets.unsqueeze(1)
    norm = shifted.logsumexp(dim=1, keepdim=True)
    loss = (norm - shifted.gather(1, chosen)).sum()
    slope = shifted.sub_(norm).exp_()
    slope.scatter_add_(1, chosen, torch.full_like(chosen, -1, dtype=slope.dtype))
    if damping is not None:
        slope = slope * damping
    return loss, slope.to(weight.dtype) @ weight
