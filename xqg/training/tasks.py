"""What a kind of model needs to learn from plans: the arrays of a batch, and the loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Protocol

import torch

from xqg.generators.prompts import seq2seq_prompt, trained_line, trained_passage
from xqg.training.causal import packed_loss
from xqg.training.losses import OutputSample, draw_sample
from xqg.training.packing import Batch, Pack, Segment, make_batch
from xqg.training.pairs import PassageGroup
from xqg.training.sampling import PackPlan
from xqg.training.training_settings import TrainingSettings, filled


class Task(Protocol):
    """Turns plans into batches and batches into a loss."""

    def length(self, plan: PackPlan) -> int:
        """Tokens that a plan takes in a batch."""

    def batch(self, plans: Sequence[PackPlan]) -> Any:
        """The arrays of one batch."""

    def targets(self, batch: Any) -> int:
        """Tokens to be predicted in a batch."""

    def loss(self, model: Any, batch: Any, step: int | None) -> torch.Tensor:
        """Mean cross entropy of the target tokens; ``step`` is None where it must be exact."""


class CausalTask:
    """Packed queries behind their passage, for causal models."""

    def __init__(self, tokenizer: Any, groups: Sequence[PassageGroup], settings: TrainingSettings) -> None:
        self._tokenizer = tokenizer
        self._groups = groups
        self._settings = settings
        self._end = int(tokenizer.eos_token_id)
        self._encode = lru_cache(maxsize=None)(self._encode_now)
        self._kept: torch.Tensor | None = None

    def pack(self, plan: PackPlan) -> Pack:
        """The tokens of one plan."""
        group = self._groups[plan.group]
        passage = group.passages[plan.passage]
        text = trained_passage(passage if plan.titled else replace(passage, title=""))
        segments = []
        for index in plan.queries:
            query = group.queries[index]
            # The space belongs to the answer: tokenizers join it with the first word.
            target = self._encode(f" {query.text}", False)[: self._settings.max_query_tokens]
            line = self._encode(trained_line(query.language, group.style), False)
            segments.append(Segment(line, (*target, self._end)))
        return Pack(self._encode(text, True)[: filled(self._settings.max_passage_tokens)], tuple(segments))

    def length(self, plan: PackPlan) -> int:
        """Tokens that a plan takes in a batch."""
        return len(self.pack(plan))

    def batch(self, plans: Sequence[PackPlan]) -> Batch:
        """Packs side by side."""
        return make_batch([self.pack(plan) for plan in plans], int(self._tokenizer.pad_token_id or 0))

    def targets(self, batch: Batch) -> int:
        """Tokens to be predicted in a batch."""
        return len(batch.targets)

    def loss(self, model: Any, batch: Batch, step: int | None) -> torch.Tensor:
        """Mean cross entropy of the target tokens; exact where ``step`` is None."""
        return packed_loss(model, batch, None if step is None else self._sample(model, step))

    def _sample(self, model: Any, step: int) -> OutputSample | None:
        size = self._settings.output_sample
        vocabulary = model.get_output_embeddings().weight.shape[0]
        if size is None:
            return None
        if self._kept is None:
            texts = {query.text for group in self._groups for query in group.queries}
            tokens = {token for text in texts for token in self._encode(f" {text}", False)} | {self._end}
            self._kept = torch.tensor(sorted(tokens))
        rest = torch.ones(vocabulary, dtype=torch.bool)
        rest[self._kept] = False
        generator = torch.Generator().manual_seed(self._settings.seed * 1_000_003 + step)
        return draw_sample(self._kept, rest.nonzero().squeeze(1), size, generator)

    def _encode_now(self, text: str, special: bool) -> tuple[int, ...]:
        return tuple(self._tokenizer(text, add_special_tokens=special, verbose=False).input_ids)


class Seq2SeqTask:
    """Prompt in, query out, for encoder-decoder models, with the paper's prompt."""

    def __init__(self, tokenizer: Any, groups: Sequence[PassageGroup], settings: TrainingSettings) -> None:
        self._tokenizer = tokenizer
        self._groups = groups
        self._settings = settings

    def length(self, plan: PackPlan) -> int:
        """Tokens that a plan takes in a batch: the passage is read once for every query."""
        passage = self._groups[plan.group].passages[plan.passage]
        tokens = len(self._tokenizer(seq2seq_prompt(passage, "en"), verbose=False).input_ids)
        return min(tokens, filled(self._settings.max_passage_tokens)) * len(plan.queries)

    def batch(self, plans: Sequence[PackPlan]) -> dict[str, torch.Tensor]:
        """Padded prompts and labels; -100 marks labels that do not count."""
        prompts, queries = [], []
        for plan in plans:
            group = self._groups[plan.group]
            passage = group.passages[plan.passage]
            passage = passage if plan.titled else replace(passage, title="")
            for index in plan.queries:
                prompts.append(seq2seq_prompt(passage, group.queries[index].language))
                queries.append(group.queries[index].text)
        options: dict[str, Any] = {"padding": True, "truncation": True, "return_tensors": "pt"}
        read = self._tokenizer(prompts, max_length=filled(self._settings.max_passage_tokens), **options)
        labels = self._tokenizer(text_target=queries, max_length=self._settings.max_query_tokens, **options)
        marked = labels.input_ids.masked_fill(labels.attention_mask == 0, -100)
        return {"input_ids": read.input_ids, "attention_mask": read.attention_mask, "labels": marked}

    def targets(self, batch: dict[str, torch.Tensor]) -> int:
        """Tokens to be predicted in a batch."""
        return int((batch["labels"] != -100).sum())

    def loss(self, model: Any, batch: dict[str, torch.Tensor], step: int | None) -> torch.Tensor:
        """Mean cross entropy of the target tokens."""
        device = next(model.parameters()).device
        output = model(**{name: values.to(device) for name, values in batch.items()})
        return torch.as_tensor(output.loss)
