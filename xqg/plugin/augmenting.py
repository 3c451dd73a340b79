"""What an adapter needs to augment, as settings, and the augmenter that is built from them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any, Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from xqg.assembly import build_generator, build_store
from xqg.errors import SettingsError, StoreError
from xqg.ingest.calibration import Calibration
from xqg.ingest.fusion import Fusion
from xqg.languages import LanguageDetector, known_language
from xqg.layouts import OWN_KEY
from xqg.plugin.augmenter import Augmenter, EmbedQueries
from xqg.records import FusionRule
from xqg.search.searcher import require_collection
from xqg.settings import PAPER_ALPHA, UNCALIBRATED_ALPHA, GeneratorSettings, Settings, StoreSettings


class AugmenterSettings(Settings):
    """Who writes the queries of a framework's passages, and how they are fused."""

    generator: GeneratorSettings
    rule: Literal["mean", "sum"] = Field("mean", description="mean or sum (the paper), where nothing is calibrated")
    alpha: float | None = Field(None, ge=0, le=1, description="weight of the queries; None: the rule's default")
    calibrated: StoreSettings | None = Field(None, description="take the frozen weights of this collection instead")
    passage_language: str | None = Field(None, description="language of all passages; None: detected")

    _known_language = field_validator("passage_language")(known_language)

    @model_validator(mode="after")
    def _options_fit(self) -> AugmenterSettings:
        if self.generator.spec == "none":
            raise ValueError("generator none writes no queries, so there is nothing to fuse")
        if self.calibrated is not None and {"rule", "alpha"} & self.model_fields_set:
            raise ValueError("a calibrated collection has its own rule and weights; drop them or calibrated")
        return self

    @property
    def weight(self) -> float:
        """α, the rule's default where none was given."""
        default = PAPER_ALPHA if self.rule == "sum" else UNCALIBRATED_ALPHA
        return default if self.alpha is None else self.alpha

    def portable(self) -> dict[str, Any]:
        """What was set, as JSON, without keys."""
        keys = {"generator": {"api_key"}, "calibrated": {"api_key"}}
        return self.model_dump(mode="json", exclude=keys, exclude_unset=True, exclude_none=True)

    def with_keys(self, generator: SecretStr | None, store: SecretStr | None) -> AugmenterSettings:
        """The same with the keys of an ``openai:`` generator and of a Qdrant server."""
        changes: dict[str, Any] = {"generator": self.generator.model_copy(update={"api_key": generator})}
        if self.calibrated is not None:
            changes["calibrated"] = self.calibrated.model_copy(update={"api_key": store})
        return self.model_copy(update=changes)


def open_augmenter(settings: AugmenterSettings, embed_queries: EmbedQueries | None = None) -> Augmenter:
    """An augmenter with its generator built and checked, but without its weights.

    :param embed_queries: embeds many queries at once, for a model that has a cheaper way than one by one.
    :raises XqgError: if the generator or the calibrated collection cannot be used.
    """
    generator = build_generator(settings.generator, LanguageDetector())
    if generator is None:
        raise SettingsError("The generator none writes no queries", "one that writes some")
    fusion, unit_length = _weights(settings)
    return Augmenter(
        generator,
        settings.generator.languages,
        fusion,
        own_language=settings.generator.own_language,
        passage_language=settings.passage_language,
        unit_length=unit_length,
        embed_queries=embed_queries,
    )


def _weights(settings: AugmenterSettings) -> tuple[Fusion, bool]:
    """The fusion, and whether it was calibrated on vectors of length 1, as Qdrant keeps them under cosine."""
    if settings.calibrated is None:
        return Fusion(FusionRule(settings.rule), settings.weight), False
    metadata = read_metadata(settings.calibrated)
    calibration, stored = metadata.get("calibration"), metadata.get("settings", {})
    unit_length = stored.get("distance") == "cosine"
    if calibration is not None:
        return Calibration.from_json(calibration).fusion, unit_length
    if isinstance(stored.get("alpha"), float):
        return Fusion(FusionRule(stored["rule"]), stored["alpha"]), unit_length
    raise StoreError(
        f"Collection {settings.calibrated.collection!r} has no weights yet",
        "those that its passages were fused with",
        "Make them with `xqg calibrate`, or give rule and alpha instead of calibrated",
    )


def read_metadata(settings: StoreSettings) -> Mapping[str, Any]:
    """What xqg keeps in the metadata of a collection of any layout; {} where it made none.

    :raises StoreError: if there is no such collection.
    """
    if settings.embedded_path is not None:
        with closing(build_store(settings)) as store:
            return require_collection(store, settings.collection).metadata
    from xqg.stores.foreign import ForeignServer, require_shape

    with closing(ForeignServer(settings)) as server:
        metadata = require_shape(server, settings.collection).metadata.get(OWN_KEY)
    return metadata if isinstance(metadata, Mapping) else {}
