"""The plain way to sample, with ``model.generate``: for encoder-decoders, and for causal models that need it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch
from transformers import LogitsProcessor, LogitsProcessorList

from xqg.ingest.generators.decoding import SharedPrefixDecoder
from xqg.ingest.generators.sampling import gumbel_noise, sample_tokens
from xqg.ingest.generators.trees import Limits, Prompt

TRIED_TOKENS = 24
_TOLERANCE = 0.05
"""Allowed difference of two logits as a share of their range; in bfloat16 0.01 is usual, a wrong mask gives 0.3."""


class GumbelProcessor(LogitsProcessor):  # type: ignore[misc]
    """Leaves each row the one token that its noise chooses, so that a greedy search samples.

    :param noise: shape (rows, steps, k). :param start: length of what the rows begin with.
    """

    def __init__(self, noise: torch.Tensor, start: int) -> None:
        self._noise, self._start = noise, start

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores of 0 for the chosen tokens and minus infinity for the others."""
        step = min(input_ids.shape[1] - self._start, self._noise.shape[1] - 1)
        chosen = sample_tokens(scores, self._noise[:, step].to(scores.device))
        return torch.full_like(scores, -torch.inf).scatter_(1, chosen[:, None], 0.0)


def sampling_options(limits: Limits, noise: torch.Tensor, start: int, padding: int) -> dict[str, Any]:
    """The options of ``generate`` that make it sample with this noise."""
    return {
        "do_sample": False,
        "num_beams": 1,
        "max_new_tokens": limits.max_new_tokens,
        "eos_token_id": sorted(limits.stops),
        "pad_token_id": padding,
        "logits_processor": LogitsProcessorList([GumbelProcessor(noise, start)]),
    }


def until_stop(tokens: Sequence[int], stops: Collection[int]) -> list[int]:
    """The tokens before the first one that ends a continuation."""
    for index, token in enumerate(tokens):
        if token in stops:
            return list(tokens[:index])
    return list(tokens)


class PlainDecoder:
    """Samples from any causal model, also of the kinds that `SharedPrefixDecoder` cannot serve; slower.

    Recurrent and hybrid models and such with relative position biases need it.
    """

    def __init__(self, model: Any, limits: Limits) -> None:
        self._model, self._limits = model, limits

    @torch.inference_mode()
    def decode(self, prompts: Sequence[Prompt]) -> list[list[list[int]]]:
        """The continuations of each prompt, one for each seed, as token ids without the token that ended them.

        A prompt is never padded: it is read alone, with all of its samples.
        """
        limits, device = self._limits, self._model.device
        padding = min(limits.stops)
        found: list[list[list[int]]] = []
        for prompt in prompts:
            noise = gumbel_noise(prompt.seeds, limits.max_new_tokens, limits.top_k, limits.temperature)
            tokens = torch.tensor([prompt.tokens] * len(prompt.seeds), device=device)
            options = sampling_options(limits, noise, len(prompt.tokens), padding)
            output = self._model.generate(tokens, attention_mask=torch.ones_like(tokens), **options)
            written = output[:, len(prompt.tokens) :].tolist()
            found.append([until_stop(row, limits.stops) for row in written])
        return found


@torch.inference_mode()
def agrees(model: Any, prompt: Sequence[int], attention: str | None = None) -> bool:
    """Whether `SharedPrefixDecoder`, with this attention, computes the logits of this model as the model itself does.

    Tried on the first tokens of a real prompt, since what a model does with masks and positions shows in no
    configuration, and since on tokens without sense rounding alone may look like a mistake.
    """
    tokens = list(prompt[:TRIED_TOKENS])
    prompts = [tokens, tokens[:18] + tokens[3:6]]
    decoder = SharedPrefixDecoder(model, Limits(frozenset(), 1, 1, 2), tokens[:8], attention)
    try:
        shared = decoder.first_logits(prompts)
        for row, prompt in zip(shared, prompts, strict=True):
            plain = model(input_ids=torch.tensor([prompt], device=model.device)).logits[0, -1].float()
            spread = plain.max() - plain.min()
            if not bool((row.float() - plain).abs().max() <= _TOLERANCE * spread):
                return False
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, RuntimeError):
        return False
    return True
