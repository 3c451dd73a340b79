"""Writes queries with causal models: of a hub, in a local folder, in a GGUF file, or the one that xqg ships."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from xqg.errors import ModelError
from xqg.generators.adapters import Adapter, bundled_adapter, check_style
from xqg.generators.decoding.decoder import Decoder, Limits, Prompt, StopTokens
from xqg.generators.decoding.rows import common_prefix
from xqg.generators.decoding.shared_prefix import choose_decoder
from xqg.generators.gguf import (
    BASE_NAME,
    base_revision,
    bundled_folder,
    check_base,
    converted_folder,
    load_converted_tokenizer,
)
from xqg.generators.local import LocalGenerator, Task
from xqg.generators.prompts import EXAMPLES, PromptStyle, chat_message, few_shot_prompt, trained_line, trained_passage
from xqg.models import ModelSource, file_hash, load_part, quiet
from xqg.records import Passage
from xqg.settings import BUNDLED_BASE

_TRIAL = Passage(id="", text=EXAMPLES[0][0])
"""What the decoder is compared with the model on before it is used."""


class CausalGenerator(LocalGenerator):
    """A causal model behind its chat template, or behind a few-shot prompt where it has none.

    A folder that `xqg train generator` made is an adapter: its base is loaded, the adapter added to the weights, and
    the prompt is the one it was trained with. A GGUF file is converted once and kept in the cache folder.
    """

    kind = "causal"

    def check(self) -> None:
        """See that all parts are there, and that an adapter was trained to write what is asked for.

        :raises ModelError: says what is missing. :raises SettingsError: if the adapter was not.
        """
        if self._adapter is not None:
            check_style(self._adapter, self._settings.trained_style)
        if self._source.path is not None and self._source.is_gguf:
            with self._source.path.open("rb") as file:
                found = file.read(4)
            if found != b"GGUF":
                expected = "a GGUF file, which starts with b'GGUF'"
                raise ModelError(f"{self._source.path} starts with {found!r}", expected, "Fetch it again")
        else:
            super().check()

    @property
    def _style(self) -> PromptStyle:
        if self._adapter is not None:
            return self._settings.trained_style
        return "chat" if getattr(self._tokenizer, "chat_template", None) else "few-shot"

    def _write(self, tasks: Sequence[Task]) -> list[list[list[int]]]:
        prompts = [Prompt(self._tokens(task.passage, task.language), task.number, task.seeds) for task in tasks]
        with quiet():
            return self._decoder.decode(prompts)

    @cached_property
    def _folder(self) -> ModelSource:
        source = self._source
        if source.path is None or not source.is_gguf:
            return super()._folder
        file = source.path
        return ModelSource(source.name, converted_folder(self._revision, lambda _: file), None)

    @cached_property
    def _revision(self) -> str:
        if self._source.path is not None and self._source.is_gguf:
            return file_hash(self._source.path)
        return super()._revision

    @cached_property
    def _decoder(self) -> Decoder:
        """The model with its weights, on its device, in evaluation mode, behind the decoder that suits it."""
        from transformers import AutoModelForCausalLM

        settings = self._settings
        model = self._load(AutoModelForCausalLM.from_pretrained)
        stops = StopTokens(self._tokenizer, model)
        limits = Limits(stops, settings.top_k, settings.token_limit, settings.batch_rows, self._temperature)
        trial, prefix = self._tokens(_TRIAL, "fr"), self._shared_tokens()
        return choose_decoder(model, self._source.label, limits, prefix, trial)

    def _shared_tokens(self) -> tuple[int, ...]:
        """What the prompts of all passages begin with: the examples, or the head of a chat."""
        return common_prefix([self._tokens(Passage(id="", text=text), "fr") for text in ("A", "7", "Ω")])

    def _tokens(self, passage: Passage, language: str) -> tuple[int, ...]:
        tokenizer, style, written = self._tokenizer, self._style, self._settings.augment_with
        if style in ("question", "search", "passage"):
            # in two parts, as in training
            line = tokenizer(trained_line(language, style), add_special_tokens=False).input_ids
            return (*tokenizer(trained_passage(passage)).input_ids, *line)
        if style == "few-shot":
            return tuple(tokenizer(few_shot_prompt(passage, language, written)).input_ids)
        text = self._tokenizer.apply_chat_template(
            [{"role": "user", "content": chat_message(passage, language, written)}],
            add_generation_prompt=True,
            tokenize=False,
            enable_thinking=False,
        )
        return tuple(self._tokenizer(text, add_special_tokens=False).input_ids)


class BundledGenerator(CausalGenerator):
    """Gemma 3 270M with the adapter that xqg ships and its prompt, or without it behind the few-shot prompt.

    The package holds the base as one GGUF file in parts; the first start converts it, about a minute and 560 MB in
    the cache folder. The Gemma terms of use apply to it and to what it writes.
    """

    @cached_property
    def _adapter(self) -> Adapter | None:
        if self._settings.spec == BUNDLED_BASE:
            return None
        return bundled_adapter()

    @cached_property
    def _source(self) -> ModelSource:
        return ModelSource(BASE_NAME if self._adapter is None else f"{BASE_NAME}, with xqg's adapter", None, None)

    @property
    def _style(self) -> PromptStyle:
        return "few-shot" if self._adapter is None else super()._style  # told without loading the tokenizer

    @cached_property
    def _folder(self) -> ModelSource:
        return bundled_folder()

    @cached_property
    def _tokenizer(self) -> Any:
        return load_part(self._folder, load_converted_tokenizer)

    @cached_property
    def _revision(self) -> str:
        return base_revision() if self._adapter is None else f"{base_revision()[:16]}+{self._adapter.revision[:16]}"

    def check(self) -> None:
        """See that the package with the model is whole, and the adapter trained to write what is asked for.

        :raises ModelError, SettingsError: if not.
        """
        if self._adapter is not None:
            check_style(self._adapter, self._settings.trained_style)
        check_base()
