"""What a model is trained on: examples drawn from the pairs, and batches of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from xqg.generators.prompts import TrainedStyle, seq2seq_prompt, trained_line, trained_passage
from xqg.records import Passage
from xqg.training.pairs import PassageGroup, TrainingQuery
from xqg.training.training_settings import TrainingSettings

HOME_SHARE = 0.6
"""Share of examples that read a passage in its home language; the others read it in any of its languages."""

UNTITLED_SHARE = 0.2
"""Share of examples without the title, so that a generator can do without one."""

MAX_DEV_EXAMPLES = 500

IGNORED = -100
"""The label of positions that do not count, in PyTorch's cross entropy."""


@dataclass(frozen=True)
class Example:
    """One query to be written from the passage as it is read."""

    passage: Passage
    style: TrainedStyle
    query: TrainingQuery


def draw_examples(groups: Sequence[PassageGroup], count: int, balance: float, seed: int) -> list[Example]:
    """``count`` examples in random order, the same for the same seed.

    :param balance: with ``n`` queries in a language, its share of the examples is proportional to n ** balance; within
        a language, all pairs are drawn equally often, give or take one.
    """
    pairs = [(group, query) for group in groups for query in group.queries]
    pairs.sort(key=lambda pair: pair[1].language)  # so that evenly spaced draws give each language its exact share
    sizes = Counter(query.language for _, query in pairs)
    weights = np.cumsum([sizes[query.language] ** (balance - 1) for _, query in pairs])
    random = np.random.default_rng(seed)
    places = np.searchsorted(weights / weights[-1], (np.arange(count) + random.random()) / count)
    examples = []
    for place in random.permutation(np.minimum(places, len(pairs) - 1)).tolist():
        group, query = pairs[place]
        version = 0 if random.random() < HOME_SHARE else int(random.integers(len(group.passages)))
        passage = group.passages[version]
        titled = random.random() >= UNTITLED_SHARE
        examples.append(Example(passage if titled else replace(passage, title=""), group.style, query))
    return examples


def dev_examples(groups: Sequence[PassageGroup], seed: int) -> list[Example]:
    """At most `MAX_DEV_EXAMPLES` pairs, each with its passage in the home language and with its title."""
    examples = [Example(group.passages[0], group.style, query) for group in groups for query in group.queries]
    chosen = np.random.default_rng(seed).permutation(len(examples))[:MAX_DEV_EXAMPLES]
    return [examples[place] for place in sorted(chosen.tolist())]


class CausalCollator:
    """Batches for causal models: prompt and query in one sequence, padded on the left.

    So the queries stand at the end, and ``logits_to_keep`` spares the logits of the prompts: with a vocabulary of
    262,144 tokens, 1 MB each.
    """

    def __init__(self, tokenizer: Any, settings: TrainingSettings) -> None:
        self._tokenizer, self._settings = tokenizer, settings

    def __call__(self, examples: Sequence[Example]) -> dict[str, Any]:
        """``input_ids``, ``attention_mask`` and ``position_ids``, shape (n, length), ``labels`` (n, kept logits)."""
        prompts, targets = [self._prompt(example) for example in examples], [self._target(one) for one in examples]
        length = max(len(prompt) + len(target) for prompt, target in zip(prompts, targets, strict=True))
        keep = max(map(len, targets)) + 1  # with the position that predicts the first token
        tokens = torch.full((len(examples), length), int(self._tokenizer.pad_token_id or 0))
        mask = torch.zeros_like(tokens)
        labels = torch.full((len(examples), keep), IGNORED)
        for row, (prompt, target) in enumerate(zip(prompts, targets, strict=True)):
            start = length - len(prompt) - len(target)
            tokens[row, start:] = torch.tensor(prompt + target)
            mask[row, start:] = 1
            labels[row, keep - len(target) :] = torch.tensor(target)
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        return {
            "input_ids": tokens,
            "attention_mask": mask,
            "position_ids": positions,
            "labels": labels,
            "logits_to_keep": keep,
        }

    def _prompt(self, example: Example) -> list[int]:
        passage = self._encode(trained_passage(example.passage), True)[: self._settings.max_passage_tokens]
        return passage + self._encode(trained_line(example.query.language, example.style), False)

    def _target(self, example: Example) -> list[int]:
        # The space belongs to the answer: tokenizers join it with the first word.
        tokens = self._encode(f" {example.query.text}", False)[: self._settings.max_query_tokens]
        return [*tokens, int(self._tokenizer.eos_token_id)]

    def _encode(self, text: str, special: bool) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=special, verbose=False).input_ids)


class Seq2SeqCollator:
    """Batches for encoder-decoder models: the paper's prompt in, the query out."""

    def __init__(self, tokenizer: Any, settings: TrainingSettings) -> None:
        self._tokenizer, self._settings = tokenizer, settings

    def __call__(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        """Padded ``input_ids`` and ``attention_mask``, shape (n, length), and ``labels``, shape (n, query length)."""
        prompts = [seq2seq_prompt(example.passage, example.query.language) for example in examples]
        queries = [example.query.text for example in examples]
        options: dict[str, Any] = {"padding": True, "truncation": True, "return_tensors": "pt"}
        read = self._tokenizer(prompts, max_length=self._settings.max_passage_tokens, **options)
        labels = self._tokenizer(text_target=queries, max_length=self._settings.max_query_tokens, **options)
        marked = labels.input_ids.masked_fill(labels.attention_mask == 0, IGNORED)
        return {"input_ids": read.input_ids, "attention_mask": read.attention_mask, "labels": marked}
