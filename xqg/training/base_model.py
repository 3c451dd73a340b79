"""Loads base models for training, with an adapter to be trained where one is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from xqg.errors import READING_ERRORS, ModelError, SettingsError
from xqg.generators.adapters import Adapter, bundled_adapter, find_adapter
from xqg.generators.gguf import base_revision, bundled_folder
from xqg.messages import brief
from xqg.models import (
    ModelSource,
    choose_device,
    choose_dtype,
    load_config,
    load_tokenizer,
    load_weights,
    model_revision,
    pinned_source,
)
from xqg.training.training_settings import TrainingSettings

BUNDLED_NAME = "google/gemma-3-270m"
BUNDLED_LICENCE = "Gemma Terms of Use (https://ai.google.dev/gemma/terms)"

_UNREADABLE: tuple[type[Exception], ...] = (RuntimeError, *READING_ERRORS)


@dataclass(frozen=True)
class BaseModel:
    """A loaded base: the model with what is to be trained switched on, and how to compute.

    ``spec`` finds it again (bundled, hf:MODEL or a folder); ``name`` is what people call it; ``start`` is the
    adapter that training goes on from.
    """

    model: Any
    tokenizer: Any
    spec: str
    name: str
    revision: str
    licence: str
    is_seq2seq: bool
    device: str
    bf16: bool
    start: Adapter | None = None


def load_base(settings: TrainingSettings) -> BaseModel:
    """The base model, ready to be trained.

    :raises ModelError: if it cannot be found, loaded or trained here.
    :raises SettingsError: if the adapter to start from does not fit.
    """
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    start = _find_start(settings)
    source = _find(settings)
    config = load_config(source)
    device = choose_device(settings.device)
    bf16 = choose_dtype(device) == torch.bfloat16 if settings.bf16 == "auto" else settings.bf16 == "on"
    seq2seq = bool(config.is_encoder_decoder)
    kind = AutoModelForSeq2SeqLM if seq2seq else AutoModelForCausalLM
    dtype = torch.bfloat16 if bf16 and settings.method == "lora" else torch.float32
    model = load_weights(source, kind.from_pretrained, dtype=dtype)
    if settings.method == "lora":
        model = _new_adapter(model, settings, seq2seq) if start is None else _load_adapter(model, start)
    bundled = settings.base == "bundled"
    return BaseModel(
        model=model,
        tokenizer=load_tokenizer(source),
        spec=settings.base,
        name=BUNDLED_NAME if bundled else source.label,
        revision=base_revision() if bundled else model_revision(source),
        licence=settings.base_licence or (BUNDLED_LICENCE if bundled else "see the base model"),
        is_seq2seq=seq2seq,
        device=device,
        bf16=bf16,
        start=start,
    )


def _find_start(settings: TrainingSettings) -> Adapter | None:
    if settings.start is None:
        return None
    adapter = bundled_adapter() if settings.start == "bundled" else find_adapter(Path(settings.start))
    if adapter is None:
        raise SettingsError(f"{settings.start} holds no adapter", "bundled, or the folder of a trained adapter")
    if adapter.base != settings.base:
        raise SettingsError(
            f"The adapter {settings.start} was trained on the base {adapter.base}",
            f"one trained on {settings.base}",
            f"Add --base {adapter.base}",
        )
    return adapter


def _find(settings: TrainingSettings) -> ModelSource:
    if settings.base == "bundled":
        return bundled_folder()
    name = settings.base if Path(settings.base).is_dir() else settings.base.removeprefix("hf:")
    source = pinned_source(name, settings.revision)
    if source.is_gguf:
        raise ModelError(f"{name} is a GGUF file", "unquantised weights to train", "Name a model in safetensors")
    return source


def _new_adapter(model: Any, settings: TrainingSettings, seq2seq: bool) -> Any:
    from peft import LoraConfig, TaskType, get_peft_model

    torch.manual_seed(settings.seed)
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        target_modules="all-linear",
        task_type=TaskType.SEQ_2_SEQ_LM if seq2seq else TaskType.CAUSAL_LM,
    )
    return get_peft_model(model, config)


def _load_adapter(model: Any, start: Adapter) -> Any:
    from peft import PeftModel

    try:
        return PeftModel.from_pretrained(model, str(start.folder), is_trainable=True)
    except _UNREADABLE as error:
        raise ModelError(
            f"The adapter in {start.folder} cannot be loaded: {brief(str(error))}", "", "Train it again"
        ) from error
