"""Every option with its type, default and range; conflicts are found here, before any model loads."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from xqg.addresses import server_address, without_login
from xqg.known_layouts import NAMES
from xqg.languages import known_language
from xqg.messages import redact
from xqg.model_settings import BUNDLED_BASE as BUNDLED_BASE
from xqg.model_settings import TRANSLATE as TRANSLATE
from xqg.model_settings import EncoderSettings as EncoderSettings
from xqg.model_settings import GeneratorSettings as GeneratorSettings
from xqg.model_settings import ModelSettings as ModelSettings
from xqg.records import FusionRule, TranslationRows
from xqg.validation import CUSTOM, ConflictError, added_kinds, kind_of
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

INDEX_TYPES = ("keyword", "integer", "float", "bool", "datetime", "text", "geo", "uuid")
"""Qdrant's types of payload index."""

Distance = Literal["auto", "cosine", "dot"]


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
        scheme, separator, rest = spec.partition("://")
        if separator and scheme.lower() in ("http", "https"):
            server_address(spec)
            return f"{scheme.lower()}://{rest}"
        if spec == CUSTOM or (spec.startswith("edge:") and len(spec) > len("edge:")):
            return spec
        if kind_of(spec) != "edge" and kind_of(spec) in added_kinds("xqg.stores"):
            return spec
        raise ValueError(f"{redact(without_login(spec))!r} is no store; write edge:FOLDER or http(s)://HOST:PORT")

    @field_validator("collection")
    @classmethod
    def _is_a_name(cls, collection: str) -> str:
        if collection in (".", ".."):
            raise ValueError(f"{collection!r} is no name for a collection; choose another --collection")
        return collection

    @property
    def is_server(self) -> bool:
        """Whether it is a Qdrant server."""
        return self.spec.startswith(("http://", "https://"))

    @property
    def embedded_path(self) -> Path | None:
        """The folder of an embedded store; None for others."""
        return Path(self.spec.removeprefix("edge:")) if self.spec.startswith("edge:") else None


class FusionSettings(Settings):
    """How the vectors of a passage and of its pieces become the rows that are stored."""

    rule: FusionRule = Field(FusionRule.VIEWS, description="views, neutral, mean, sum (the paper) or plain")
    alpha: float | None = Field(
        None, ge=0, le=1, description="weight of title and generated queries; None: the rule's own"
    )
    beta: float = Field(VIEW_WEIGHT, ge=0, le=1, description="weight of a sentence in its own row")
    views: int = Field(MOST_VIEWS, ge=0, le=1000, description="most rows beside the first; 0: one vector a passage")
    rows: TranslationRows = Field(
        "merged", description="of translations: their sentences' (merged), one a language (whole), all (language)"
    )
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
        for name in ("beta", "views", "rows"):
            if name in given and self.rule is not FusionRule.VIEWS and getattr(self, name) not in (0, "merged"):
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
        False,
        description="bring a collection made with other settings, or out of other folders, to these; "
        "files that are gone from a folder go",
    )
    sync: bool = Field(
        False, description="delete the stored documents that are in these folders, or in these files, no more"
    )
    sync_limit: int | None = Field(
        None, ge=0, description="most documents that --sync deletes; None: 10, or a fifth of those stored if it is more"
    )
    index: tuple[str, ...] = Field(
        (), description="KEY:TYPE of a payload index for filters: keyword, integer, float, bool, datetime; repeatable"
    )

    @field_validator("index")
    @classmethod
    def _known_indexes(cls, fields: tuple[str, ...]) -> tuple[str, ...]:
        for field in fields:
            key, separator, kind = field.rpartition(":")
            if not (key and separator) or kind not in INDEX_TYPES:
                raise ValueError(
                    f"cannot read the index {field!r}; write KEY:TYPE with one of {', '.join(INDEX_TYPES)}"
                )
        return fields

    @model_validator(mode="after")
    def _options_fit(self) -> IngestSettings:
        if self.sync_limit is not None and not self.sync:
            raise ConflictError("--sync-limit bounds what --sync deletes; give --sync too", "sync_limit", "sync")
        if self.generator.style == "passage" and self.generator.augment_with != "passages":
            message = "--style passage writes passages; give --augment-with passages instead"
            raise ConflictError(message, "generator.style", "generator.augment_with")
        rule, generates = self.fusion.rule, self.generator.spec != "none"
        if rule.needs_queries and not generates:
            message = f"--rule {rule.value} adds generated queries only; name --languages or a --generator"
            raise ConflictError(message, "fusion.rule", "generator.spec")
        if rule is FusionRule.PLAIN and generates:
            message = "--rule plain leaves passages as they are; drop --generator and --languages"
            raise ConflictError(message, "fusion.rule", "generator.spec", "generator.languages")
        return self


class AugmentSettings(Settings):
    """Which collection becomes which, and how the source is read where xqg cannot see it for itself."""

    into: str = Field(description="the new collection")
    alias: str | None = Field(None, min_length=1, description="alias that is moved to the new collection at the end")
    others: bool | None = Field(
        None,
        description="also augment, in place, what others wrote into the new collection; None: where an alias names it",
    )
    layout: str | None = Field(None, description=f"who wrote the payloads: {', '.join(NAMES)}; None: recognised")

    @field_validator("layout")
    @classmethod
    def _known_layout(cls, layout: str | None) -> str | None:
        if layout is not None and layout not in NAMES:
            raise ValueError(f"{layout!r} is no layout that xqg knows; choose one of {', '.join(NAMES)}")
        return layout

    text_key: str | None = Field(None, min_length=1, description="payload key of the text; None: the layout's")
    metadata_key: str | None = Field(None, description="payload key of the metadata; None: the layout's")
    vector_name: str | None = Field(None, description="dense vector to augment; None: the only one")
    trust_encoder: bool = Field(False, description="take the encoder for the one that made the stored vectors")


class SearchSettings(Settings):
    """Where to search, and with which encoder: None takes the one that the collection was made with."""

    store: StoreSettings
    encoder: EncoderSettings | None = None
    endpoint: dict[str, Any] = Field(
        default_factory=dict, description="this machine's part of the stored encoder: device, base_url, api_key"
    )
    beside: str | None = Field(None, description="a collection that may have been augmented from this one")
