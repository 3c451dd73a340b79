"""The plain way to sample, with ``model.generate``: for encoder-decoders, and for causal models that need it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import LogitsProcessor, LogitsProcessorList
from transformers.modeling_outputs import BaseModelOutput

from xqg.generators.decoding.decoder import Limits, Prompt, until_stop
from xqg.generators.decoding.top_k import choose_tokens, gumbel_noise, largest


class GumbelProcessor(LogitsProcessor):  # type: ignore[misc]
    """Leaves each row the one token that its noise chooses, so that a greedy search samples.

    :param noise: shape (rows, steps, k). :param start: length of what the rows begin with.
    """

    def __init__(self, noise: torch.Tensor, start: int) -> None:
        self._noise, self._start = noise, start

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores of 0 for the chosen tokens and minus infinity for the others."""
        step = min(input_ids.shape[1] - self._start, self._noise.shape[1] - 1)
        noise = self._noise[:, step].to(scores.device)
        chosen = choose_tokens(*largest(scores, noise.shape[-1]), noise)
        return torch.full_like(scores, -torch.inf).scatter_(1, chosen[:, None], 0.0)


class GenerateDecoder:
    """Samples from any causal model, also of the kinds that `SharedPrefixDecoder` cannot serve; slower.

    Recurrent and hybrid models and such with relative position biases need it.
    """

    def __init__(self, model: Any, limits: Limits) -> None:
        self._model, self._limits = model, limits

    @torch.inference_mode()
    def decode(self, prompts: Sequence[Prompt]) -> list[list[list[int]]]:
        """See `Decoder`. A prompt is never padded: it is read alone, with all of its samples."""
        found = []
        for prompt in prompts:
            tokens = torch.tensor([prompt.tokens] * len(prompt.seeds), device=self._model.device)
            given = {"inputs": tokens, "attention_mask": torch.ones_like(tokens)}
            padding = min(self._limits.stops)
            found.append(_generate(self._model, self._limits, prompt.seeds, len(prompt.tokens), padding, given))
        return found


class EncodedPromptDecoder:
    """Samples from encoder-decoders; each prompt is encoded once for all of its samples.

    :param padding: the token that fills short prompts up.
    """

    def __init__(self, model: Any, limits: Limits, padding: int) -> None:
        self._model, self._limits, self._padding = model, limits, padding

    @torch.inference_mode()
    def decode(self, prompts: Sequence[Prompt]) -> list[list[list[int]]]:
        """See `Decoder`. All prompts have equally many seeds; those of about the same length are read together."""
        found: list[list[list[int]]] = [[] for _ in prompts]
        size = max(1, self._limits.rows // len(prompts[0].seeds)) if prompts else 1
        order = sorted(range(len(prompts)), key=lambda index: len(prompts[index].tokens))
        for start in range(0, len(order), size):
            batch = order[start : start + size]
            for index, samples in zip(batch, self._decode_batch([prompts[index] for index in batch]), strict=True):
                found[index] = samples
        return found

    def _decode_batch(self, prompts: Sequence[Prompt]) -> list[list[list[int]]]:
        model, samples = self._model, len(prompts[0].seeds)
        texts = [torch.tensor(prompt.tokens) for prompt in prompts]
        tokens = pad_sequence(texts, batch_first=True, padding_value=self._padding).to(model.device)
        mask = pad_sequence([torch.ones_like(text) for text in texts], batch_first=True).to(model.device)
        states = model.get_encoder()(input_ids=tokens, attention_mask=mask).last_hidden_state
        given = {
            "encoder_outputs": BaseModelOutput(last_hidden_state=states.repeat_interleave(samples, dim=0)),
            "attention_mask": mask.repeat_interleave(samples, dim=0),
        }
        seeds = [seed for prompt in prompts for seed in prompt.seeds]
        rows = _generate(model, self._limits, seeds, 1, self._padding, given)
        return [rows[start : start + samples] for start in range(0, len(rows), samples)]


def _generate(
    model: Any, limits: Limits, seeds: Sequence[int], start: int, padding: int, given: dict[str, Any]
) -> list[list[int]]:
    """What ``generate`` writes behind the first ``start`` tokens, a row for each seed."""
    noise = gumbel_noise(seeds, limits.max_new_tokens, limits.top_k, limits.temperature)
    output = model.generate(
        **given,
        do_sample=False,
        num_beams=1,
        max_new_tokens=limits.max_new_tokens,
        eos_token_id=sorted(limits.stops),
        pad_token_id=padding,
        logits_processor=LogitsProcessorList([GumbelProcessor(noise, start)]),
    )
    return [until_stop(row, limits.stops) for row in output[:, start:].tolist()]
