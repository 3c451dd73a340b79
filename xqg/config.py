"""Settings from where people write them: one file in TOML for all commands, with a table for each group; and keywords,
which are the options of the command line by their names with ``_`` for ``-``, or parts handed in.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from xqg.errors import SettingsError
from xqg.options import FLAGS, GROUPS
from xqg.settings import IngestSettings, SearchSettings
from xqg.validation import CUSTOM, Settings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

INGEST_TABLES = ("store", "encoder", "generator", "fusion", "reader", "job")
SERVICE_TABLES = ("service", "sources")
"""Read by `xqg serve` alone; other commands pass over them."""


def read_config(path: Path | None) -> dict[str, Any]:
    """The tables of a settings file; {} where none is named.

    :raises SettingsError: if it cannot be read, or holds what is no table of settings.
    """
    if path is None:
        return {}
    if path.exists() and not path.is_file():  # a pipe may never end
        raise SettingsError(f"The settings file {path} is no file", "TOML in UTF-8")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SettingsError(f"The settings file {path} cannot be read: {reason}", "TOML in UTF-8") from error
    known = (*INGEST_TABLES, *SERVICE_TABLES)
    unknown = [name for name in values if name not in known]
    if unknown:
        raise SettingsError(
            f"The settings file {path} has {', '.join(map(repr, unknown))}", f"the tables {', '.join(known)}"
        )
    for name, value in values.items():
        if not isinstance(value, list if name == "sources" else dict):
            kind = "[[sources]]" if name == "sources" else f"[{name}]"
            raise SettingsError(f"In the settings file {path} {name!r} is no table", f"{kind} and lines below it")
    return dict(values)


def over(config: Mapping[str, Any], values: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The groups of an ingestion's settings: what flags and environment say goes before what the file says."""
    return {name: {**config.get(name, {}), **values.get(name, {})} for name in INGEST_TABLES}


KEYWORDS = {flag.removeprefix("--").replace("-", "_"): path for path, flag in FLAGS.items()}
"""The setting, as ``group.name``, of every keyword."""


def handed_in(value: Any, protocol: type) -> Any:
    """``value`` where it is a part of its own, None where it is nothing or settings to build one from.

    :raises SettingsError: if it is neither.
    """
    if value is None or isinstance(value, (str, Mapping, Settings)):
        return None
    members = {name for name in vars(protocol) if not name.startswith("_")}
    missing = sorted(members - set(dir(value)))
    if missing:
        raise SettingsError(
            f"{type(value).__name__} has no {', '.join(missing)}", f"text, settings or an xqg.{protocol.__name__}"
        )
    return value


def read_keywords(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Nested values for settings from keywords; those that are None do not count.

    A keyword is an option of the command line, or a group of settings ("store", "fusion") as settings or mapping.

    :raises SettingsError: for an unknown keyword; names the nearest ones.
    """
    values: dict[str, dict[str, Any]] = {group: {} for group in GROUPS}
    given = {name: value for name, value in options.items() if value is not None}
    groups = [name for name in given if name in GROUPS and name != "job"]
    for name in groups:
        values[name] |= _group(given.pop(name))
    for name, value in given.items():
        if name not in KEYWORDS:
            near = difflib.get_close_matches(name, [*KEYWORDS, *GROUPS], n=2)
            raise SettingsError(
                f"There is no option {name!r}", " or ".join(map(repr, near)) or "one of those of `xqg ingest --help`"
            )
        group, _, field = KEYWORDS[name].partition(".")
        values[group][field] = value.split(",") if name == "languages" and isinstance(value, str) else value
    key = os.environ.get("QDRANT_API_KEY")
    if key and values["store"].get("spec", CUSTOM) != CUSTOM:
        values["store"].setdefault("api_key", SecretStr(key))
    return values


def _group(value: Any) -> dict[str, Any]:
    if isinstance(value, Settings):
        return value.model_dump(exclude_unset=True)
    if isinstance(value, Mapping):
        return dict(value)
    return {"spec": value if isinstance(value, str) else CUSTOM}


def ingest_settings(settings: IngestSettings | None, options: Mapping[str, Any]) -> IngestSettings:
    """``settings`` with the parts that are handed in, or the settings that the keywords name.

    :raises SettingsError: for wrong keywords, or where settings and keywords are given.
    """
    values = read_keywords(options)
    if settings is not None:
        changed = [name for name in parts_alone(values) if name != "store"]
        return settings.model_copy(
            update={name: getattr(settings, name).model_copy(update={"spec": CUSTOM}) for name in changed}
        )
    return IngestSettings(**values.pop("job"), **_named(values))


def search_settings(settings: SearchSettings | None, options: Mapping[str, Any]) -> SearchSettings:
    """As `ingest_settings`, for a search: where no encoder is named, its options go to the one that is stored."""
    values = read_keywords(options)
    if settings is not None:
        parts_alone(values)
        return settings
    useless = [name for group in ("generator", "fusion", "reader", "job") for name in values[group]]
    if useless:
        raise SettingsError(f"{', '.join(useless)} changes nothing in a search", remedy="Drop it")
    endpoint = values["encoder"]
    encoder = endpoint if "spec" in endpoint else None
    return SearchSettings(**{"store": _named(values)["store"], "encoder": encoder, "endpoint": endpoint})


def parts_alone(values: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The groups whose part is handed in. :raises SettingsError: if other options stand beside settings."""
    others = [f"{group}.{name}" for group, own in values.items() for name in own if own != {"spec": CUSTOM}]
    if others:
        raise SettingsError(f"There are settings and also the options {', '.join(others)}", "one of the two")
    return [group for group, own in values.items() if own]


def _named(values: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """A store that was handed in knows its collection; here it needs a name for messages."""
    if values["store"].get("spec") == CUSTOM:
        values["store"].setdefault("collection", CUSTOM)
    return values
