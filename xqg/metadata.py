"""What xqg keeps in a collection's metadata: what changes a vector, as values that are stored, hashed and compared.

It is read as what it is: data of whoever can write there, never settings. It may say which encoder made the vectors. It
chooses no address, no path, no key and no device: those come from the person who runs xqg.
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
from xqg.records import FusionRule, TranslationRows, digest
from xqg.settings import EncoderSettings, GeneratorSettings, IngestSettings, validated
from xqg.validation import CUSTOM, added_kinds, kind_of

SCHEMA = 2
"""Version of what is stored; part of every fingerprint."""

GENERATION = 1
"""Version of how queries are asked for: as long as it stays, stored queries are taken whatever changed around them."""

NOT_KEPT = "-not-kept"
"""Stands behind the ``generation`` of a stored passage whose generated texts are not in its payload."""

_NOTED = ("revision", "wording")
"""What changes with a version of a generator: new passages take the new one, stored texts stay, both are named."""

STORED_KINDS = {"bundled", "hf", "openai"}
"""Encoders that metadata may name: kinds that packages add have to be named by who searches."""


def vector_settings(
    settings: IngestSettings,
    encoder: Mapping[str, Any],
    generator: Mapping[str, Any] | None,
    distance: str,
    languages: tuple[str, ...],
) -> dict[str, Any]:
    """All that changes a vector, as JSON: what the collection remembers and every later run is checked against.

    :param encoder: its `identity`. :param generator: its `identity`, None where there is no generator.
    :param languages: the target languages, resolved.
    """
    fusion = settings.fusion
    values: dict[str, Any] = {
        "schema": SCHEMA,
        "encoder": dict(encoder),
        "distance": distance,
        "rule": fusion.rule.value,
        "generator": None,
    }
    if fusion.rule is not FusionRule.PLAIN:
        values["alpha"] = fusion.weight
    if fusion.rule is FusionRule.VIEWS:
        values |= {"beta": fusion.beta, "views": fusion.most_views}
        if fusion.rows != "merged":  # else as before there was a choice, so that nothing is fused anew
            values["rows"] = fusion.rows
    if generator is None:
        return values
    return values | {
        # a file of queries may grow from run to run: its content is checked passage by passage, not for the collection
        "generator": {name: value for name, value in _any_revision(generator).items() if name != "sha256"},
        "languages": list(languages),
        "augment_with": settings.generator.augment_with,
        "queries_per_language": settings.generator.queries_per_language,
        "own_language": settings.generator.own_language,
    }


def generation(settings: GeneratorSettings, generator: Mapping[str, Any] | None) -> str:
    """What is stored of how a passage's texts were generated: a hash of all that changes them, and the revision.

    :param generator: its `identity`, None where there is no generator.
    """
    asked = None if generator is None else _any_revision(generator)
    key = digest([GENERATION, asked, settings.augment_with, settings.queries_per_language])
    revision = "" if generator is None else "+".join(_revisions(generator))
    return f"{key}@{revision}" if revision else key


def generation_key(generation: str) -> str:
    """The hash in a stored `generation`: of two with the same, the texts of one may stand for those of the other."""
    return generation.removesuffix(NOT_KEPT).partition("@")[0]


def generator_revision(generation: str) -> str | None:
    """The generator's revision in a stored `generation`, None where it names none."""
    return generation.removesuffix(NOT_KEPT).partition("@")[2] or None


def _any_revision(generator: Mapping[str, Any]) -> dict[str, Any]:
    """An identity without `_NOTED`, also within two generators together."""
    kept = {name: value for name, value in generator.items() if name not in _NOTED}
    return kept | ({"generators": [_any_revision(one) for one in kept["generators"]]} if "generators" in kept else {})


def _revisions(generator: Mapping[str, Any]) -> list[str]:
    own = [str(generator["revision"])[:40]] if generator.get("revision") else []
    return own + [found for one in generator.get("generators", ()) for found in _revisions(one)]


def fingerprint(values: Mapping[str, Any], profile: str | None) -> str:
    """The short hash beside every stored vector, of `vector_settings` and the encoder profile's own hash."""
    return digest([dict(values), profile])


def differences(stored: Mapping[str, Any], asked: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Each setting in which two `vector_settings` differ, as "name: stored … asked …"."""
    lines: list[str] = []
    for name in sorted(set(stored) | set(asked)):
        left, right = stored.get(name), asked.get(name)
        if isinstance(left, Mapping) and isinstance(right, Mapping):
            lines += differences(left, right, f"{prefix}{name}.")
        elif left != right:
            lines.append(f"{prefix}{name}: stored {left!r}, asked {right!r}")
    return lines


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
