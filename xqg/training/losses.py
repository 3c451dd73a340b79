"""Cross entropy over a large vocabulary at the positions that count, without ever holding all its probabilities."""

from __future__ import annotations

from collections.abc import Iterator
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


def token_log_probabilities(
    hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, cap: float | None, sample: OutputSample | None
) -> torch.Tensor:
    """The log probability of each target, shape (rows,), which can be differentiated by ``hidden``.

    :param hidden: shape (rows, width). :param weight: the output layer, shape (vocabulary, width), not trained here.
    :param targets: shape (rows,). :param cap: soft cap on logits, as in Gemma 2.
    :param sample: estimates the softmax; None: exact.
    """
    offsets = None
    if sample is not None:
        weight = weight[sample.tokens.to(weight.device)]
        targets = sample.places.to(targets.device)[targets]
        offsets = sample.offsets.to(weight.device)
    found: torch.Tensor = _ChunkedLogProbabilities.apply(hidden, weight, targets, cap, offsets)  # type: ignore[no-untyped-call]
    return found


class _ChunkedLogProbabilities(torch.autograd.Function):
    """Each chunk of logits is thrown away and computed once more for the gradient."""

    @staticmethod
    def forward(
        context: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        targets: torch.Tensor,
        cap: float | None,
        offsets: torch.Tensor | None,
    ) -> torch.Tensor:
        context.save_for_backward(hidden, weight, targets)
        context.cap, context.offsets = cap, offsets
        found = torch.empty(len(hidden), dtype=torch.float32, device=hidden.device)
        for place in _chunks(len(hidden)):
            shifted, _ = _logits(hidden[place], weight, cap, offsets)
            found[place] = shifted.gather(1, targets[place].unsqueeze(1)).squeeze(1) - shifted.logsumexp(dim=1)
        return found

    @staticmethod
    def backward(context: Any, *outer: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        hidden, weight, targets = context.saved_tensors
        gradient = torch.empty_like(hidden)
        for place in _chunks(len(hidden)):
            shifted, damping = _logits(hidden[place], weight, context.cap, context.offsets)
            slope = shifted.softmax(dim=1).neg_()
            chosen = targets[place].unsqueeze(1)
            slope.scatter_add_(1, chosen, torch.ones_like(chosen, dtype=slope.dtype))
            slope *= outer[0][place].unsqueeze(1)
            if damping is not None:
                slope *= damping
            gradient[place] = (slope.to(weight.dtype) @ weight).to(gradient.dtype)
        return gradient, None, None, None, None


def _chunks(rows: int) -> Iterator[slice]:
    return (slice(start, start + CHUNK_ROWS) for start in range(0, rows, CHUNK_ROWS))


def _logits(
    hidden: torch.Tensor, weight: torch.Tensor, cap: float | None, offsets: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Logits with their offsets, and the slope of the soft cap where there is one, both of shape (rows, tokens)."""
    logits = functional.linear(hidden.to(weight.dtype), weight).float()
    damping = None
    if cap is not None:
        bent = torch.tanh(logits / cap)
        logits, damping = cap * bent, 1 - bent**2
    return logits if offsets is None else logits + offsets, damping
