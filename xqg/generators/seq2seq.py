"""Writes queries with encoder-decoder models: mT5 docTquery, the paper's own, and the like."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from xqg.generators.decoding.decoder import Decoder, Limits, Prompt
from xqg.generators.decoding.generate import EncodedPromptDecoder
from xqg.generators.local import LocalGenerator, Task
from xqg.generators.prompts import PromptStyle, seq2seq_prompt
from xqg.models import quiet


class Seq2SeqGenerator(LocalGenerator):
    """An encoder-decoder behind the paper's prompt."""

    kind = "seq2seq"

    @property
    def _style(self) -> PromptStyle:
        return "seq2seq"

    def _write(self, tasks: Sequence[Task]) -> list[list[list[int]]]:
        written = self._settings.augment_with
        texts = [seq2seq_prompt(task.passage, task.language, written) for task in tasks]
        with quiet():
            return self._decoder.decode(
                [
                    Prompt(tuple(self._tokenizer(text).input_ids), task.number, task.seeds)
                    for text, task in zip(texts, tasks, strict=True)
                ]
            )

    @cached_property
    def _decoder(self) -> Decoder:
        """The model with its weights, on its device, in evaluation mode."""
        from transformers import AutoModelForSeq2SeqLM

        settings = self._settings
        model = self._load(AutoModelForSeq2SeqLM.from_pretrained, in_float16=False)  # T5 overflows in it
        end, padding = model.config.eos_token_id, model.config.pad_token_id
        stops = frozenset(end if isinstance(end, list) else [end])
        limits = Limits(stops, settings.top_k, settings.token_limit, settings.batch_rows, self._temperature)
        return EncodedPromptDecoder(model, limits, min(stops) if padding is None else padding)
