"""Generators that run a model on this machine: what they have in common, and encoder-decoders (mT5 docTquery)."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import torch

from xqg.errors import GenerationError
from xqg.generators.adapters import Adapter, base_source, find_adapter, merge_adapter
from xqg.generators.cleaning import LanguageCheck, Output, finish_outputs
from xqg.generators.decoding.decoder import Decoder, EncodedPromptDecoder, Limits, Prompt
from xqg.generators.decoding.top_k import row_seed
from xqg.generators.prompts import PromptStyle, prompt_identity, prompt_marks, seq2seq_prompt
from xqg.messages import brief
from xqg.models import (
    ModelSource,
    check_weights,
    choose_device,
    choose_dtype,
    load_config,
    load_tokenizer,
    load_weights,
    model_revision,
    pinned_source,
    quiet,
)
from xqg.protocols import Generation
from xqg.records import Passage, content_hash
from xqg.remade import Remade
from xqg.settings import GeneratorSettings

PASSAGE_TOKENS = 512
"""Passages are cut after so many tokens: a question about the rest would be far from the passage's vector."""


@dataclass(frozen=True)
class Task:
    """Queries to write: for the passage with this number among the requests, already cut, in one language."""

    number: int
    passage: Passage
    language: str
    seeds: tuple[int, ...]


class LocalGenerator(Remade, ABC):
    """Loads lazily, cuts passages, hands tasks to the model, and cleans what it wrote.

    The same passage content, language, settings and seed give the same queries, whatever else is asked for at the
    same time, up to the rounding of floating point numbers.
    """

    kind: ClassVar[str]
    metered = False

    def __init__(self, settings: GeneratorSettings, detector: LanguageCheck) -> None:
        self._settings = settings
        self._detector = detector

    @property
    def identity(self) -> Mapping[str, Any]:
        """What changes the queries; loads the configuration and the tokenizer, no weights."""
        settings = self._settings
        return {
            "kind": self.kind,
            "model": self._source.label,
            "revision": self._revision,
            "prompt": self._style,
            "wording": prompt_identity(self._style, settings.augment_with),
            "top_k": settings.top_k,
            "temperature": self._temperature,
            "max_new_tokens": settings.token_limit,
            "seed": settings.seed,
        }

    def languages(self) -> tuple[str, ...]:
        """None of its own: the target languages have to be named."""
        return ()

    def check(self) -> None:
        """See that configuration, tokenizer and weights are there. :raises ModelError: says which is not."""
        load_config(self._folder)
        check_weights(self._folder)
        _ = self._tokenizer

    def generate(self, requests: Sequence[tuple[Passage, Sequence[str]]]) -> Generation:
        """Queries for each passage in each of its languages, in the order of the requests.

        :raises GenerationError: if the model fails. :raises ModelError: if it cannot be loaded.
        """
        settings = self._settings
        tasks: list[Task] = []
        for number, (passage, languages) in enumerate(requests):
            cut = self._cut(passage)
            tasks += [Task(number, cut, language, self._seeds(passage, language)) for language in languages]
        try:
            written = self._write(tasks)
        except (RuntimeError, MemoryError) as error:
            raise GenerationError(
                f"The model {self._source.name} failed: {brief(str(error))}",
                "",
                "If memory ran out, lower --generator-batch",
            ) from error
        outputs = [
            Output(
                requests[task.number][0],
                task.language,
                tuple(self._tokenizer.decode(tokens, skip_special_tokens=True) for tokens in samples),
            )
            for task, samples in zip(tasks, written, strict=True)
        ]
        marks = prompt_marks(self._style, settings.augment_with)
        return finish_outputs(outputs, settings, self._detector, marks)

    @property
    @abstractmethod
    def _style(self) -> PromptStyle:
        """Which prompt the model gets."""

    @abstractmethod
    def _write(self, tasks: Sequence[Task]) -> list[list[list[int]]]:
        """Token ids for each task and each of its seeds."""

    @property
    def _temperature(self) -> float:
        """Of the sampling: as asked, else as the adapter's card says, else 1 (the paper)."""
        if self._settings.temperature is not None:
            return self._settings.temperature
        return 1.0 if self._adapter is None else self._adapter.temperature

    @cached_property
    def _source(self) -> ModelSource:
        return pinned_source(self._settings.spec.removeprefix("hf:"), self._settings.revision)

    @cached_property
    def _adapter(self) -> Adapter | None:
        """The adapter that the source is, None where it is a model of its own."""
        return find_adapter(self._source.path)

    @cached_property
    def _folder(self) -> ModelSource:
        """The weights in a form that transformers loads quickly; those of the base, where there is an adapter."""
        return self._source if self._adapter is None else base_source(self._adapter, self._settings.base)

    def _load(self, load: Callable[..., Any], in_float16: bool = True) -> Any:
        """The model with its weights and those of its adapter, on its device, in evaluation mode."""
        device = choose_device(self._settings.device)
        dtype = choose_dtype(device)
        if dtype == torch.float16 and not in_float16:
            dtype = torch.float32
        model = load_weights(self._folder, load, dtype=dtype).to(device).eval()
        if self._adapter is not None:
            merge_adapter(model, self._adapter.folder)
        return model

    @cached_property
    def _revision(self) -> str:
        if self._adapter is not None:
            return self._adapter.revision
        return model_revision(self._source)

    @cached_property
    def _tokenizer(self) -> Any:
        return load_tokenizer(self._folder)

    def _seeds(self, passage: Passage, language: str) -> tuple[int, ...]:
        content = content_hash(passage)
        samples = range(self._settings.queries_per_language)
        return tuple(row_seed(self._settings.seed, content, language, sample) for sample in samples)

    def _cut(self, passage: Passage) -> Passage:
        """The passage without control tokens, and no longer than `PASSAGE_TOKENS`."""
        title, text = (self._control_tokens.sub(" ", part) for part in (passage.title, passage.text))
        tokens = self._tokenizer(text, add_special_tokens=False).input_ids
        if len(tokens) > PASSAGE_TOKENS:
            text = self._tokenizer.decode(tokens[:PASSAGE_TOKENS]).rstrip("\ufffd")
        return replace(passage, title=title, text=text)

    @cached_property
    def _control_tokens(self) -> re.Pattern[str]:
        """Tokens with a meaning for the model ("<end_of_turn>"): in a passage they are an accident or an attack."""
        added = getattr(self._tokenizer, "added_tokens_decoder", {}).values()
        special = {str(token.content) for token in added if token.special} | set(self._tokenizer.all_special_tokens)
        return re.compile("|".join(re.escape(token) for token in sorted(special, reverse=True) if token) or r"(?!)")


class Seq2SeqGenerator(LocalGenerator):
    """An encoder-decoder behind the paper's prompt."""

    kind = "seq2seq"

    @property
    def _style(self) -> PromptStyle:
        return "seq2seq"

    def _write(self, tasks: Sequence[Task]) -> list[list[list[int]]]:
        written = self._settings.augment_with
        texts = [seq2seq_prompt(task.passage, task.language, written) for task in tasks]
        tokens = [tuple(self._tokenizer(text).input_ids) for text in texts]
        prompts = [Prompt(own, task.number, task.seeds) for own, task in zip(tokens, tasks, strict=True)]
        with quiet():
            return self._decoder.decode(prompts)

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
