"""What xqg keeps in a collection's metadata, read as what it is: data of whoever can write there, never settings.

It may say which encoder made the vectors. It chooses no address, no path, no key and no device: those come from
the person who runs xqg.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from xqg.errors import SettingsError, StoreError
from xqg.identifiers import COMMIT
from xqg.model_settings import PORTABLE
from xqg.models import is_hub_name
from xqg.records import TranslationRows
from xqg.settings import EncoderSettings, validated
from xqg.validation import CUSTOM, added_kinds, kind_of

STORED_KINDS = {"bundled", "hf", "openai"}
"""Encoders that metadata may name: kinds that packages add have to be named by who searches."""


class _Lenient(BaseModel):
    """Names of later versions are no fault; types are checked as they are, without conversions."""

    model_config = ConfigDict(strict=True, extra="ignore")


class _VectorSettings(_Lenient):
    schema_: int | float | None = Field(None, alias="schema")
    encoder: dict[str, Any]
    generator: dict[str, Any] | None = None
    rule: Literal["views", "neutral", "mean", "sum", "plain"] = "plain"
    distance: str | None = None
    alpha: float = Field(0, ge=0, le=1)
    beta: float = Field(0, ge=0, le=1)
    views: int | float = Field(0, ge=0)
    rows: TranslationRows = "merged"
    languages: list[str] | None = None
    augment_with: str | None = None
    queries_per_language: int | float | None = None
    own_language: bool | None = None


class _Metadata(_Lenient):
    state: Literal["ready", "updating"] = "ready"
    fingerprint: str = ""
    settings: _VectorSettings
    encoder: dict[str, Any] | None = None
    profile: dict[str, Any] | None = None
    augmented: dict[str, Any] | None = None


def check_metadata(metadata: Mapping[str, Any], name: str) -> None:
    """See that everything in the metadata of collection ``name`` has the form that xqg gives it.

    :raises StoreError: names the first thing that has not.
    """
    try:
        _Metadata.model_validate(dict(metadata))
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"]))
        found = "no object" if problem["type"] == "model_type" else problem["msg"]
        raise StoreError(
            f"The metadata of collection {name!r} is damaged at {place}: {found}",
            "what xqg wrote",
            "Ingest into a new collection",
        ) from None


def noted_encoder(metadata: Mapping[str, Any], endpoint: Mapping[str, Any], name: str) -> EncoderSettings:
    """The encoder that collection ``name`` was made with, as settings.

    :param endpoint: this machine's part: device, address, key.
    :raises SettingsError: if it is a folder, which nothing that is stored may choose.
    :raises StoreError: if what is noted is no encoder.
    """
    noted = metadata.get("encoder")
    if not isinstance(noted, Mapping):
        raise StoreError(f"Collection {name!r} does not say which encoder made it", "", "Name it with --encoder")
    spec = noted.get("spec")
    if isinstance(spec, str) and kind_of(spec) in {CUSTOM, *added_kinds("xqg.encoders")} - STORED_KINDS:
        raise SettingsError(
            f"Collection {name!r} was made with an encoder that is not one of xqg's, {spec}",
            remedy=f"Name it: --encoder {spec}, or encoder=… from Python",
        )
    model = spec.removeprefix("hf:") if isinstance(spec, str) and spec.startswith("hf:") else None
    if model is not None and (not is_hub_name(model) or Path(model).expanduser().exists()):
        raise SettingsError(
            f"Collection {name!r} was made with the encoder of a folder, {spec}",
            "a stored path is not followed",
            f"Where it is yours, name it: --encoder {spec}",
        )
    portable = {key: noted[key] for key in PORTABLE if key in noted}  # all that is ever taken
    try:
        found: EncoderSettings = validated(EncoderSettings, {**portable, "spec": spec, **endpoint})
    except SettingsError as error:
        raise StoreError(
            f"The encoder noted in collection {name!r} cannot be used: {error}", "", "Name it with --encoder"
        ) from None
    return found


def pinned_encoder(settings: EncoderSettings, metadata: Mapping[str, Any]) -> EncoderSettings:
    """``settings``, with the commit of the hub's model that a collection was made with where they name no revision."""
    noted = metadata.get("encoder")
    if settings.revision is not None or not isinstance(noted, Mapping) or noted.get("spec") != settings.spec:
        return settings
    commit = noted.get("revision")
    known = isinstance(commit, str) and COMMIT.fullmatch(commit)
    return settings.model_copy(update={"revision": commit}) if known else settings
