"""What an adapter needs to augment, as settings, and the augmenter that is built from them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from xqg.addresses import without_login
from xqg.errors import PARSING_ERRORS, SettingsError, StoreError
from xqg.kinds import build_generator, open_store
from xqg.languages import LanguageDetector, known_language
from xqg.protocols import QueryGenerator
from xqg.records import FusionRule
from xqg.settings import MOST_VIEWS, RULE_ALPHAS, GeneratorSettings, StoreSettings
from xqg.validation import Settings

if TYPE_CHECKING:
    from xqg.fusion.rules import Fusion
    from xqg.plugin.augmenter import Augmenter, Embed


class AugmenterSettings(Settings):
    """What is added to a framework's passages, and how."""

    generator: GeneratorSettings = GeneratorSettings()
    rule: Literal["neutral", "mean", "sum"] = Field("neutral", description="neutral, mean or sum (the paper)")
    alpha: float | None = Field(None, ge=0, le=1, description="weight of what is added; None: the rule's own")
    like: StoreSettings | None = Field(None, description="take rule, weights and encoder profile of this collection")
    passage_language: str | None = Field(None, description="language of all passages; None: detected")

    _known_language = field_validator("passage_language")(known_language)

    @model_validator(mode="after")
    def _options_fit(self) -> AugmenterSettings:
        if self.rule != "neutral" and self.generator.spec == "none":
            raise ValueError(f"the rule {self.rule} adds generated queries only; name languages or a generator")
        if self.like is not None and {"rule", "alpha"} & self.model_fields_set:
            raise ValueError("the collection in like has its own rule and weights; drop them or like")
        return self

    @property
    def weight(self) -> float:
        """α, the rule's own where none was given."""
        return RULE_ALPHAS[FusionRule(self.rule)] if self.alpha is None else self.alpha

    def portable(self) -> dict[str, Any]:
        """What was set, as JSON, without keys, and without the logins of addresses."""
        keys = {"generator": {"api_key"}, "like": {"api_key"}}
        values = self.model_dump(mode="json", exclude=keys, exclude_unset=True, exclude_none=True)
        for group, name in (("generator", "spec"), ("generator", "base_url"), ("like", "spec")):
            if name in values.get(group, {}):
                values[group][name] = without_login(values[group][name])
        return values

    def with_keys(self, generator: SecretStr | None, store: SecretStr | None) -> AugmenterSettings:
        """The same with the keys of an ``openai:`` generator and of a Qdrant server."""
        changes: dict[str, Any] = {"generator": self.generator.model_copy(update={"api_key": generator})}
        if self.like is not None:
            changes["like"] = self.like.model_copy(update={"api_key": store})
        return self.model_copy(update=changes)


def open_augmenter(
    settings: AugmenterSettings | None = None,
    *,
    generator: str | GeneratorSettings | QueryGenerator | None = None,
    embed_queries: Embed | None = None,
    **options: Any,
) -> Augmenter:
    """What augments passages inside LangChain, LlamaIndex or Haystack, with its generator built and checked.

    Give ``settings``, or keywords as for `xqg.open_ingestion`: ``generator`` and its options, ``languages``, ``rule``
    ("neutral", "mean" or "sum"), ``alpha``, ``passage_language``. With ``store`` and ``collection`` rule, weights and
    encoder profile are those of a collection that xqg made with the same embedding model.

    :param generator: who writes queries: text, settings, or an object of your own.
    :param embed_queries: embeds many queries at once, n texts to (n, d); None: the framework's model, one by one.
    :raises SettingsError: if a setting is wrong. :raises XqgError: if the generator or collection cannot be used.
    """
    from xqg.config import handed_in
    from xqg.fusion.rules import Fusion
    from xqg.plugin.augmenter import Augmenter
    from xqg.search.searcher import require_collection

    chosen = _augmenting(settings, {"generator": generator, **options})
    own = handed_in(generator, QueryGenerator)
    fusion = Fusion(FusionRule(chosen.rule), chosen.weight)
    unit_length, most_views = False, MOST_VIEWS
    if chosen.like is not None:
        with closing(open_store(chosen.like)) as store:
            found, name = store.describe(), chosen.like.collection
            foreign = found is not None and not found.metadata
            metadata = {} if foreign else require_collection(store, name).metadata
        fusion = _stored_fusion(metadata, name)
        unit_length = metadata["settings"].get("distance") == "cosine"
        most_views = metadata["settings"].get("views", 0)
    return Augmenter(
        build_generator(chosen.generator, LanguageDetector()) if own is None else own,
        chosen.generator.languages,
        fusion,
        own_language=chosen.generator.own_language,
        passage_language=chosen.passage_language,
        unit_length=unit_length,
        embed_queries=embed_queries,
        most_views=most_views,
    )


def _augmenting(settings: AugmenterSettings | None, options: Mapping[str, Any]) -> AugmenterSettings:
    """``settings`` where they are given, else those that the keywords name."""
    from xqg.config import parts_alone, read_keywords

    values = read_keywords(options)
    if settings is not None:
        parts_alone(values)
        return settings
    useless = [name for group in ("encoder", "job") for name in values[group]]
    if useless:
        raise SettingsError(f"{', '.join(useless)} changes nothing in an augmenter", remedy="Drop it")
    language = values["reader"].pop("language", None)
    like = {"like": values["store"]} if values["store"] else {}
    named = {"generator": values["generator"], "passage_language": language, **values["fusion"], **values["reader"]}
    return AugmenterSettings(**named, **like)


def _stored_fusion(metadata: Mapping[str, Any], name: str) -> Fusion:
    """How the rows of a collection were made, as xqg noted it there."""
    from xqg.fusion.profile import EncoderProfile
    from xqg.fusion.rules import Fusion

    stored, profile = metadata.get("settings") or {}, metadata.get("profile")
    try:
        rule, alpha, beta = FusionRule(stored["rule"]), float(stored.get("alpha", 0)), float(stored.get("beta", 0))
        if rule.is_neutral and profile is None:
            raise ValueError("no profile")
    except PARSING_ERRORS as error:
        raise StoreError(
            f"Collection {name!r} does not say how its rows were made",
            "one that this version of xqg made",
            "Make it with `xqg ingest` or `xqg augment`, or give rule and alpha instead of like",
        ) from error
    read = None if profile is None else EncoderProfile.from_json(profile)
    return Fusion(rule, alpha, beta, read, stored.get("rows", "merged"))
