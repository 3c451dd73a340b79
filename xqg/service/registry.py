"""The collections of the service and their settings: what requests choose goes before what the service was given."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from xqg.errors import SettingsError, XqgError
from xqg.service.jobs import Database
from xqg.service.parts import Parts
from xqg.settings import IngestSettings

CHOICES: dict[str, tuple[str, ...]] = {
    "encoder": ("spec",),
    "generator": (
        "spec",
        "languages",
        "queries_per_language",
        "own_language",
        "top_k",
        "temperature",
        "style",
        "augment_with",
        "seed",
    ),
    "fusion": ("rule", "alpha", "beta", "views", "distance"),
    "reader": (
        "id_field",
        "text_field",
        "title_field",
        "language_field",
        "metadata_field",
        "language",
        "chunk",
        "chunk_tokens",
        "chunk_overlap",
    ),
}
"""What a request may choose: nothing that names a file, a folder, an address, a device or a key."""

MODELS: dict[str, tuple[str, ...]] = {
    "encoder": ("bundled",),
    "generator": ("none", "bundled", "bundled-base", "translate", "translate:firefox"),
}
"""The models that a request may name; others are the operator's to give."""

SHORT = {"encoder": "spec", "generator": "spec", "fusion": "rule"}
"""The setting that is meant where a group is given as one word."""


class SettingsConflictError(XqgError):
    """A collection exists with other settings."""

    def __init__(self, name: str, stored: Any, requested: Any) -> None:
        self.stored, self.requested = stored, requested
        remedy = "Give the same settings, or delete the collection first"
        super().__init__(f"Collection {name!r} exists with other settings", "", remedy)


class Registry:
    """Keeps the settings of collections. :param config: the groups of settings that the service was given."""

    def __init__(self, database: Database, parts: Parts, config: Mapping[str, Mapping[str, Any]]) -> None:
        self._database, self._parts = database, parts
        self._config = {group: dict(config.get(group, {})) for group in ("encoder", "generator", "fusion", "reader")}
        self._job = dict(config.get("job", {}))

    def names(self) -> list[str]:
        """The names of the collections, sorted."""
        return [row["name"] for row in self._database.rows("SELECT name FROM collections ORDER BY name")]

    def chosen(self, name: str) -> dict[str, Any] | None:
        """What was chosen for a collection; None where there is no such collection."""
        rows = self._database.rows("SELECT settings FROM collections WHERE name = ?", name)
        return json.loads(rows[0]["settings"]) if rows else None

    def settings(self, name: str) -> IngestSettings | None:
        """How a collection is ingested; None where there is no such collection."""
        chosen = self.chosen(name)
        return None if chosen is None else self._ingest(name, chosen)

    def put(self, name: str, requested: Mapping[str, Any]) -> bool:
        """Make a collection, or find it made with these settings. Returns whether it is new.

        :raises SettingsError: if the settings cannot be taken. :raises SettingsConflictError: if it has others.
        """
        chosen = self._allowed(requested)
        settings = self._ingest(name, chosen)
        stored = self.chosen(name)
        if stored is not None:
            if self._ingest(name, stored) == settings or not requested:
                return False
            raise SettingsConflictError(name, stored, chosen)
        if self._parts.store(name).describe() is not None:  # stored already, perhaps with other settings
            with self._parts.job(settings) as job:
                job.check()
        with self._database.transaction() as connection:
            added = connection.execute(
                "INSERT OR IGNORE INTO collections VALUES (?, ?)", (name, json.dumps(chosen, sort_keys=True))
            )
        return added.rowcount == 1

    def drop(self, name: str) -> None:
        """Forget a collection."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM collections WHERE name = ?", (name,))

    def _ingest(self, name: str, chosen: Mapping[str, Mapping[str, Any]]) -> IngestSettings:
        groups = {group: self._group(group, chosen.get(group, {})) for group in self._config}
        return IngestSettings(**{**self._job, **groups, "store": self._parts.place(name)})

    def _group(self, group: str, chosen: Mapping[str, Any]) -> dict[str, Any]:
        given = self._config[group]
        other = group in MODELS and "spec" in chosen and chosen["spec"] != given.get("spec")
        # what was given belongs to the model that was given
        return dict(chosen) if other else {**given, **chosen}

    def _allowed(self, requested: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """The choices as groups of settings. :raises SettingsError: if a request may not make one of them."""
        chosen: dict[str, dict[str, Any]] = {}
        for group, value in requested.items():
            if group not in CHOICES:
                raise SettingsError(f"{group!r} cannot be chosen", f"one of {', '.join(CHOICES)}")
            values = {SHORT[group]: value} if isinstance(value, str) and group in SHORT else value
            if not isinstance(values, dict):
                raise SettingsError(f"{group} is no object", "names and values")
            for name in values:
                if name not in CHOICES[group]:
                    raise SettingsError(f"{group}.{name} cannot be chosen", f"one of {', '.join(CHOICES[group])}")
            spec = values.get("spec")
            if group in MODELS and spec is not None and spec not in (*MODELS[group], self._config[group].get("spec")):
                raise SettingsError(
                    f"The {group} {spec!r} cannot be chosen by a request",
                    f"one of {', '.join(MODELS[group])}",
                    "Name others where the service is started",
                )
            chosen[group] = dict(values)
        return chosen
