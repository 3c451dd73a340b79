"""``translate:ct2:MODEL``: the same models by CTranslate2, on a CPU in 8 bits; converted once."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from xqg.errors import MissingDependencyError
from xqg.generators.gguf import converted_folder
from xqg.generators.translation.huggingface import HuggingFaceTranslator
from xqg.models import choose_device
from xqg.records import digest

QUANTIZATION = "int8"


class CTranslate2Translator(HuggingFaceTranslator):
    """A model of transformers, converted into the cache folder at its first use."""

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """Model, revision and precision; as that of `HuggingFaceTranslator`."""
        return {**super().identity, "engine": "ct2", "precision": QUANTIZATION}

    def check(self) -> None:
        """:raises MissingDependencyError: without CTranslate2. :raises ModelError: if the model cannot be used."""
        if importlib.util.find_spec("ctranslate2") is None:
            raise MissingDependencyError(
                "The engine of translate:ct2 is not installed", "ctranslate2", 'pip install "xqg[ctranslate2]"'
            )
        super().check()

    def _write(self, inputs: Sequence[Sequence[int]], first: int | None, longest: int) -> list[list[int]]:
        name, number = self._tokenizer.convert_ids_to_tokens, self._tokenizer.convert_tokens_to_ids
        results = self._engine.translate_batch(
            [name(list(tokens)) for tokens in inputs],
            target_prefix=None if first is None else [[name(first)]] * len(inputs),
            beam_size=1,
            max_decoding_length=longest,
        )
        return [number(result.hypotheses[0]) for result in results]

    @cached_property
    def _engine(self) -> Any:
        from ctranslate2 import Translator

        key = digest(dict(self.identity))
        folder = converted_folder(key, lambda workshop: workshop / "saved", self._convert)
        device, _, index = choose_device(self._settings.device).partition(":")
        return Translator(str(folder), "cuda" if device == "cuda" else "cpu", device_index=int(index or 0))

    def _convert(self, saved: Path, folder: Path) -> None:
        """By way of safetensors of our own, so that the converter reads neither pickles nor a hub."""
        from ctranslate2.converters import TransformersConverter

        self._load(torch.float32).save_pretrained(saved)
        self._tokenizer.save_pretrained(saved)
        TransformersConverter(str(saved)).convert(str(folder), quantization=QUANTIZATION)
