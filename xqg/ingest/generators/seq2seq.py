"""Writes queries with encoder-decoder models: mT5 docTquery, the paper's own, and the like."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import torch
from transformers.modeling_outputs import BaseModelOutput

from xqg.ingest.generators.local import LocalGenerator, Task
from xqg.ingest.generators.plain import sampling_options, until_stop
from xqg.ingest.generators.sampling import gumbel_noise
from xqg.ingest.generators.trees import Limits
from xqg.ingest.prompts import PromptStyle, seq2seq_prompt
from xqg.models import quiet


class Seq2SeqGenerator(LocalGenerator):
    """An encoder-decoder behind the paper's prompt; each prompt is encoded once for all of its queries."""

    kind = "seq2seq"

    @property
    def _style(self) -> PromptStyle:
        return "seq2seq"

    def _write(self, tasks: Sequence[Task]) -> list[list[list[int]]]:
        written = self._settings.augment_with
        prompts = [self._tokenizer(seq2seq_prompt(task.passage, task.language, written)).input_ids for task in tasks]
        found: list[list[list[int]]] = [[] for _ in tasks]
        with quiet(), torch.inference_mode():
            for batch in self._batches([len(prompt) for prompt in prompts]):
                texts = self._write_batch([prompts[index] for index in batch], [tasks[index].seeds for index in batch])
                for index, samples in zip(batch, texts, strict=True):
                    found[index] = samples
        return found

    def _batches(self, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Numbers of prompts of about the same length, as many as there may be rows."""
        size = max(1, self._settings.batch_rows // self._settings.queries_per_language)
        order = sorted(range(len(lengths)), key=lambda index: lengths[index])
        for start in range(0, len(order), size):
            yield order[start : start + size]

    def _write_batch(self, prompts: Sequence[list[int]], seeds: Sequence[Sequence[int]]) -> list[list[list[int]]]:
        model, limits = self._model, self._limits
        samples = len(seeds[0])
        inputs = self._tokenizer.pad({"input_ids": list(prompts)}, return_tensors="pt").to(model.device)
        states = model.get_encoder()(**inputs).last_hidden_state.repeat_interleave(samples, dim=0)
        noise = gumbel_noise(
            [seed for row in seeds for seed in row], limits.max_new_tokens, limits.top_k, limits.temperature
        )
        padding = model.config.pad_token_id
        output = model.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=states),
            attention_mask=inputs["attention_mask"].repeat_interleave(samples, dim=0),
            **sampling_options(limits, noise, 1, min(limits.stops) if padding is None else padding),
        )
        rows = [until_stop(row, limits.stops) for row in output[:, 1:].tolist()]
        return [rows[start : start + samples] for start in range(0, len(rows), samples)]

    @cached_property
    def _limits(self) -> Limits:
        end = self._model.config.eos_token_id
        stops = frozenset(end if isinstance(end, list) else [end])
        settings = self._settings
        return Limits(stops, settings.top_k, settings.token_limit, settings.batch_rows, self._temperature)

    @cached_property
    def _model(self) -> Any:
        """The model with its weights, on its device, in evaluation mode."""
        from transformers import AutoModelForSeq2SeqLM

        return self._load(AutoModelForSeq2SeqLM.from_pretrained, in_float16=False)  # T5 overflows in it
