"""One settings file for all commands: TOML, with a table for each group of settings."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xqg.errors import SettingsError

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
