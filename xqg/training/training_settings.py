"""Options of a training run and of the evaluation of query generators."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import parse_qsl

from pydantic import BeforeValidator, Field, field_validator, model_validator

from xqg.languages import known_language, language_code
from xqg.readers.squad import parse_articles
from xqg.settings import BUNDLED_BASE, Settings, check_spec

Value = TypeVar("Value")


class DataSource(Settings):
    """One place to read pairs from, written as ``PATH?option=value&option=value``."""

    path: Path = Field(description="a JSONL file, a SQuAD-format file or folder, or a BEIR folder")
    style: Literal["question", "search"] = Field("question", description="what people wrote: question or search")
    passages: Path | None = Field(None, description="JSONL file of the passages that a pairs file names by passage_id")
    language: str | None = Field(None, description="language of passages or queries that do not tell their own")
    articles: tuple[int, int] | None = Field(None, description="first and last article of SQuAD files, counted from 0")
    home: str = Field("en", description="of passages in several languages, the one that is read most often")

    @field_validator("articles", mode="before")
    @classmethod
    def _read_range(cls, value: Any) -> Any:
        return parse_articles(value) if isinstance(value, str) else value

    _known_language = field_validator("language", "home")(known_language)


def _parse_sources(value: Any) -> Any:
    """Sources that may be written as text, or a single one."""

    def parse(source: str) -> dict[str, str]:
        path, _, options = source.partition("?")
        return {"path": path, **dict(parse_qsl(options, keep_blank_values=True, strict_parsing=bool(options)))}

    sources = (value,) if isinstance(value, str) else value
    return tuple(parse(source) if isinstance(source, str) else source for source in sources)


Sources = Annotated[tuple[DataSource, ...], BeforeValidator(_parse_sources)]


class TrainingSettings(Settings):
    """Everything that decides what a training run makes."""

    data: Sources = Field(min_length=1, description="where the pairs are: PATH?option=value&…")
    dev: Sources = Field((), description="pairs for the dev loss; none: a share of the passages of data")
    base: str = Field("bundled", description="bundled, hf:MODEL, or a folder")
    start: str | None = Field(
        None, description="adapter to go on from: bundled, or the folder of an earlier training; None: a new one"
    )
    revision: str | None = Field(None, description="branch, tag or commit of a base model on a hub")
    base_licence: str | None = Field(None, description="licence of the base model, for the model card")
    data_licence: tuple[str, ...] = Field((), description="licences of the data, for the model card")
    out: Path = Field(description="folder for the trained generator")
    method: Literal["lora", "full"] = Field("lora", description="train a low-rank adapter, or every weight")
    rank: int = Field(32, ge=1, le=256, description="rank of a new adapter")
    alpha: int = Field(32, ge=1, description="the output of a new adapter is multiplied by alpha / rank")
    learning_rate: float | None = Field(
        None, gt=0, lt=1, description="peak; None: 5e-4, for encoder-decoders 1e-4, for all weights of others 5e-5"
    )
    epochs: float = Field(3.0, gt=0, description="passes over as many pairs as there are")
    max_steps: int | None = Field(None, ge=1, description="optimiser steps; replaces epochs")
    max_minutes: float | None = Field(None, gt=0, description="end, learning rate annealed, after so long")
    batch_size: int = Field(4, ge=1, description="pairs in one batch")
    accumulation: int = Field(4, ge=1, description="batches in one optimiser step")
    max_passage_tokens: int | None = Field(
        None, ge=16, le=4096, description="passages are cut after so many tokens; None: 320, encoder-decoders 128"
    )
    max_query_tokens: int = Field(64, ge=4, le=512, description="queries are cut after so many tokens")
    language_balance: float = Field(
        0.3, ge=0, le=1, description="1: languages as often as in the data, 0: all equally often"
    )
    dev_share: float = Field(0.05, gt=0, le=0.5, description="share of the passages for the dev loss")
    evaluations: int = Field(8, ge=1, le=1000, description="how often the dev loss is taken and a checkpoint kept")
    patience: int = Field(3, ge=1, description="stop after so many evaluations without a better dev loss")
    seed: int = Field(0, ge=0, description="same seed, same data, same machine: same weights")
    device: str = Field("auto", description="auto, cpu, cuda or mps")
    bf16: Literal["auto", "on", "off"] = Field("auto", description="compute in bfloat16; auto: where it is fast")
    resume: bool = Field(False, description="go on from the last checkpoint in the output folder")

    @field_validator("base")
    @classmethod
    def _known_base(cls, base: str) -> str:
        return base if Path(base).is_dir() else check_spec(base, ("bundled",), ("hf",))

    @model_validator(mode="after")
    def _options_fit(self) -> TrainingSettings:
        if self.max_steps is not None and "epochs" in self.model_fields_set:
            raise ValueError("max_steps and epochs both say when to end; drop one of them")
        if self.start is not None and self.method != "lora":
            raise ValueError("--start names an adapter, and --method full trains none; drop one of them")
        return self

    def completed(self, seq2seq: bool) -> TrainingSettings:
        """The settings with the defaults of this kind of model filled in; what was given stays.

        Those of encoder-decoders, and four batches of four, are DSI-QG's, whose generator the paper (arXiv 2305.03950)
        takes over.
        """
        causal_rate = 5e-4 if self.method == "lora" else 5e-5
        defaults = {"learning_rate": 1e-4 if seq2seq else causal_rate, "max_passage_tokens": 128 if seq2seq else 320}
        return self.model_copy(update={name: value for name, value in defaults.items() if getattr(self, name) is None})


class EvaluationSettings(Settings):
    """What query generators are measured on."""

    data: Sources = Field(
        min_length=1, description="passages with people's queries: PATH?option=value&…, as for training"
    )
    pool: Sources = Field((), description="more passages to find the own one among: PATH?option=value&…")
    generator: tuple[str, ...] = Field(
        (BUNDLED_BASE, "bundled"), min_length=1, description="bundled-base, bundled, hf:FOLDER, …; repeatable"
    )
    generator_base: str | None = Field(None, description="base of an adapter whose card names a folder: hf:FOLDER")
    languages: tuple[str, ...] = Field((), description="ISO 639-1; none: those of people's queries but the passages'")
    queries_per_language: int = Field(3, ge=1, le=100, description="outputs for each passage in each language")
    passages: int | None = Field(None, ge=1, description="take so many passages at random; None: all of data")
    seed: int = Field(0, ge=0, description="of the sampling, of the passages taken and of the outputs shown")

    @field_validator("generator")
    @classmethod
    def _known_generators(cls, specs: tuple[str, ...]) -> tuple[str, ...]:
        for spec in specs:
            check_spec(spec, ("bundled", BUNDLED_BASE), ("hf", "openai", "file"))
        names = [writer_name(spec) for spec in specs]
        if len(set(names)) < len(names):
            raise ValueError(f"two of the generators {', '.join(specs)} have the same name; rename a folder")
        return specs

    @field_validator("languages", mode="before")
    @classmethod
    def _known_languages(cls, value: Any) -> Any:
        return tuple(dict.fromkeys(language_code(tag.strip()) for part in value or () for tag in part.split(",")))

    @model_validator(mode="after")
    def _one_style(self) -> EvaluationSettings:
        if len({source.style for source in self.data}) > 1:
            raise ValueError("the data has queries of several styles; measure one style at a time")
        return self


def writer_name(spec: str) -> str:
    """What a generator is called in a report: its spec without the folders of this machine."""
    kind, separator, value = spec.partition(":")
    return f"{kind}{separator}{Path(value).name}" if kind in ("hf", "file") and Path(value).exists() else spec
