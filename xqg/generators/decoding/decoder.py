"""What every decoder is given and returns, and the plain ones, which sample with ``model.generate``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from typing import Any, Protocol

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import LogitsProcessor, LogitsProcessorList
from transformers.modeling_outputs import BaseModelOutput

from xqg.generators.decoding.top_k import choose_tokens, gumbel_noise, largest


@dataclass(frozen=True)
class Prompt:
    """Token ids of a prompt, the number of its passage, and a seed for each continuation to write."""

    tokens: tuple[int, ...]
    passage: int
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Limits:
    """How continuations are written: tokens that end one, sampling, the longest, and rows at once."""

    stops: Collection[int]
    top_k: int
    max_new_tokens: int
    rows: int
    temperature: float = 1.0


class Decoder(Protocol):
    """Writes continuations of prompts by sampling among a model's k likeliest tokens.

    A continuation depends on its prompt and its seed alone, not on what else is written at the same time, up to the
    rounding of floating point numbers.
    """

    def decode(self, prompts: Sequence[Prompt]) -> list[list[list[int]]]:
        """The continuations of each prompt, one for each seed, as token ids without the token that ended them.

        :raises RuntimeError: if the model fails; if memory runs out, `MemoryError` or this.
        """


def until_stop(tokens: Sequence[int], stops: Collection[int]) -> list[int]:
    """The tokens before the first one that ends a continuation."""
    return list(takewhile(lambda token: token not in stops, tokens))


class StopTokens(Collection[int]):
    """The tokens that end a text or a turn, and every token with a line break in it.

    Whether a token has one is looked up when it is drawn: to go through a vocabulary of 262,144 takes 0.3 s, which only
    `generate` of transformers asks for, by iterating.
    """

    def __init__(self, tokenizer: Any, model: Any) -> None:
        self._tokenizer = tokenizer
        self._ends = frozenset(_ends(tokenizer, model))
        self._known: dict[object, bool] = dict.fromkeys(self._ends, True)

    def __contains__(self, token: object) -> bool:
        if token not in self._known:
            self._known[token] = _breaks_line(self._tokenizer.convert_ids_to_tokens(token))
        return self._known[token]

    def __iter__(self) -> Iterator[int]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    @cached_property
    def _all(self) -> list[int]:
        lines = {number for token, number in self._tokenizer.get_vocab().items() if _breaks_line(token)}
        return sorted(self._ends | lines)


def _ends(tokenizer: Any, model: Any) -> Iterator[int]:
    for value in (tokenizer.eos_token_id, model.config.eos_token_id, model.generation_config.eos_token_id):
        yield from value if isinstance(value, Iterable) else [] if value is None else [value]


def _breaks_line(token: str | None) -> bool:
    # "Ċ" is the line break in byte-level vocabularies, "<0x0A>" in those with byte fallback; a model may know more
    # tokens than its tokenizer
    return token is not None and ("\n" in token or "Ċ" in token or token == "<0x0A>")  # noqa: S105


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
