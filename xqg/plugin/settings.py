"""What an adapter needs to augment, as settings, and the augmenter that is built from them."""

from __future__ import annotations

from typing import Any

from pydantic import Field, SecretStr, field_validator, model_validator

from xqg.assembly import build_generator
from xqg.errors import SettingsError
from xqg.ingest.fusion import Fusion
from xqg.languages import LanguageDetector, language_name
from xqg.plugin.augmenter import Augmenter, EmbedQueries
from xqg.settings import FusionSettings, GeneratorSettings, Settings, StoreSettings


class AugmenterSettings(Settings):
    """Who writes the queries of a framework's passages, and how they are fused."""

    generator: GeneratorSettings
    fusion: FusionSettings = FusionSettings()
    calibrated: StoreSettings | None = Field(None, description="take the frozen weights of this collection instead")
    passage_language: str | None = Field(None, description="language of all passages; None: detected")

    @field_validator("passage_language")
    @classmethod
    def _known_language(cls, language: str | None) -> str | None:
        if language is not None:
            language_name(language)
        return language

    @model_validator(mode="after")
    def _one_source_of_weights(self) -> AugmenterSettings:
        if self.generator.spec == "none":
            raise ValueError("generator none writes no queries, so there is nothing to fuse")
        if self.calibrated is not None and self.fusion.model_fields_set:
            raise ValueError("a calibrated collection has its own weights; drop fusion or calibrated")
        return self

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
    fusion = _fusion(settings)
    return Augmenter(
        generator,
        settings.generator.languages,
        fusion,
        settings.generator.own_language,
        settings.passage_language,
        embed_queries,
    )


def _fusion(settings: AugmenterSettings) -> Fusion:
    return Fusion(settings.fusion.rule, settings.fusion.weight)
