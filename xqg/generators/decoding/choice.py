"""Which decoder suits a causal model: tried on a real prompt, since no configuration tells."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import torch

from xqg.generators.decoding.attention import FOLDED
from xqg.generators.decoding.decoder import Decoder, Limits
from xqg.generators.decoding.generate import GenerateDecoder
from xqg.generators.decoding.screening import screened_head
from xqg.generators.decoding.shared_prefix import SharedPrefixDecoder

logger = logging.getLogger(__name__)

TRIED_TOKENS = 24
_TOLERANCE = 0.05
"""Allowed difference of two logits as a share of their range; in bfloat16 0.01 is usual, a wrong mask gives 0.3."""


def choose_decoder(model: Any, name: str, limits: Limits, prefix: Sequence[int], trial: Sequence[int]) -> Decoder:
    """The fastest decoder that computes what the model itself computes.

    :param name: of the model, for the log. :param prefix: tokens that most prompts begin with.
    :param trial: a prompt to try it on, at least `TRIED_TOKENS` long.
    """
    for attention in (FOLDED, None) if model.device.type == "cpu" else (None,):
        if agrees(model, trial, attention):
            head = screened_head(model, limits.top_k)
            return SharedPrefixDecoder(model, limits, prefix, attention, head)
    logger.warning("%s cannot share prefixes: its queries are written one prompt at a time", name)
    return GenerateDecoder(model, limits)


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
