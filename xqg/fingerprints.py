"""What changes a vector, as values that can be stored, hashed and compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xqg.records import FusionRule, digest
from xqg.settings import GeneratorSettings, IngestSettings

SCHEMA = 2
"""Version of what is stored; part of every fingerprint."""

GENERATION = 1
"""Version of how queries are asked for: as long as it stays, stored queries are taken whatever changed around them."""

NOT_KEPT = "-not-kept"
"""Stands behind the ``generation`` of a stored passage whose generated texts are not in its payload."""

_NOTED = ("revision", "wording")
"""What changes with a version of a generator: new passages take the new one, stored texts stay, both are named."""


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
