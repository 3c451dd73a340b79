"""``translate:hf:MODEL``: translation models of transformers: Marian (OPUS), M2M-100, NLLB-200, MADLAD-400.

``translate:ct2:MODEL``: the same models by CTranslate2, on a CPU in 8 bits; converted once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from xqg.errors import ModelError
from xqg.extras import require
from xqg.generators.gguf import converted_folder
from xqg.languages import told_language
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
from xqg.records import digest
from xqg.remade import Remade
from xqg.settings import GeneratorSettings

BATCH_TOKENS = 2048
"""Tokens of the texts translated at once, padding included."""

LONGEST = 512

QUANTIZATION = "int8"

_NLLB = {"ar": "arb_Arab", "fa": "pes_Arab", "no": "nob_Latn", "sr": "srp_Cyrl", "zh": "zho_Hans", "ku": "kmr_Latn"}
"""The variety where NLLB has several of a language."""


class HuggingFaceTranslator(Remade):
    """Likeliest token by token; texts of like length together."""

    metered = False

    def __init__(self, settings: GeneratorSettings, name: str) -> None:
        self._settings, self._name = settings, name

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """Model and revision; loads the configuration, and of a folder reads all files once."""
        return {"engine": "hf", "model": self._source.label, "revision": model_revision(self._source)}

    def check(self) -> None:
        """:raises ModelError: if the model cannot be found, or has weights that are no safetensors."""
        self._config  # noqa: B018  loaded here, so that a wrong name is found before any work
        check_weights(self._source)

    def translate(self, texts: Sequence[str], source: str, target: str) -> Iterator[tuple[str, str]]:
        """Each text with its translation. :raises ModelError: if the model does not know one of the languages."""
        prefix, first = self._directions(source, target)
        inputs = {text: self._tokenizer(prefix + text, truncation=True, max_length=LONGEST).input_ids for text in texts}
        with quiet():
            for batch in _batches({text: len(tokens) for text, tokens in inputs.items()}):
                longest = 2 * max(len(inputs[text]) for text in batch) + 10
                written = self._write([inputs[text] for text in batch], first, longest)
                yield from zip(batch, self._tokenizer.batch_decode(written, skip_special_tokens=True), strict=True)

    def _write(self, inputs: Sequence[Sequence[int]], first: int | None, longest: int) -> Any:
        """The likeliest tokens, at most so many, for each input; :param first: the token that they begin with."""
        tensors = self._tokenizer.pad({"input_ids": inputs}, return_tensors="pt").to(self._model.device)
        options = {} if first is None else {"forced_bos_token_id": first}
        with torch.inference_mode():
            return self._model.generate(**tensors, max_new_tokens=longest, do_sample=False, num_beams=1, **options)

    def _directions(self, source: str, target: str) -> tuple[str, int | None]:
        """What is written before a text, and the token that its translation begins with, as each family wants it."""
        known = self._tokenizer.get_vocab()
        if f"<2{target}>" in known:  # MADLAD-400
            return f"<2{target}> ", None
        if f">>{target}<<" in known:  # Marian into several languages
            return f">>{target}<< ", None
        if self._config.model_type == "marian":  # into one language
            return "", None
        if f"__{source}__" in known and f"__{target}__" in known:  # M2M-100
            self._tokenizer.src_lang = source
            return "", int(known[f"__{target}__"])
        spoken, wanted = _nllb_name(source, known), _nllb_name(target, known)
        if spoken in known and wanted in known:  # NLLB-200
            self._tokenizer.src_lang = spoken
            return "", int(known[wanted])
        raise ModelError(
            f"The model {self._name} does not translate from {source} into {target}",
            "a model of the families Marian, M2M-100, NLLB-200 or MADLAD-400 that knows both languages",
            "Take another model, or other --languages",
        )

    @cached_property
    def _source(self) -> ModelSource:
        return pinned_source(self._name, self._settings.revision)

    @cached_property
    def _config(self) -> Any:
        return load_config(self._source)

    @cached_property
    def _tokenizer(self) -> Any:
        return load_tokenizer(self._source)

    @cached_property
    def _model(self) -> Any:
        device = choose_device(self._settings.device)
        overflows = self._config.model_type == "t5"  # in float16
        return self._load(torch.float32 if overflows else choose_dtype(device)).to(device).eval()

    def _load(self, dtype: torch.dtype) -> Any:
        from transformers import AutoModelForSeq2SeqLM

        return load_weights(self._source, AutoModelForSeq2SeqLM.from_pretrained, dtype=dtype)


class CTranslate2Translator(HuggingFaceTranslator):
    """A model of transformers, converted into the cache folder at its first use."""

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """Model, revision and precision; as that of `HuggingFaceTranslator`."""
        return {**super().identity, "engine": "ct2", "precision": QUANTIZATION}

    def check(self) -> None:
        """:raises MissingDependencyError: without CTranslate2. :raises ModelError: if the model cannot be used."""
        require("ctranslate2", "translate:ct2", "ctranslate2")
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


def _nllb_name(code: str, known: Iterable[str]) -> str:
    """What NLLB calls a language, "" for one that is not among its known tokens."""
    names = (name for name in known if name[3:4] == "_" and len(name) == len("eng_Latn"))
    return _NLLB.get(code) or min((name for name in names if told_language(name) == code), default="")


def _batches(lengths: Mapping[str, int]) -> Iterator[list[str]]:
    """The texts, shortest first, in groups of at most `BATCH_TOKENS` when padded."""
    group: list[str] = []
    for text in sorted(lengths, key=lambda text: lengths[text]):
        if group and (len(group) + 1) * lengths[text] > BATCH_TOKENS:
            yield group
            group = []
        group.append(text)
    if group:
        yield group
