"""The settings of `xqg serve` beside those of an ingestion."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from xqg.addresses import is_loopback
from xqg.errors import SettingsError
from xqg.settings import Settings

Scope = Literal["read", "write", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "write", "admin")
"""Each includes the ones before it."""

SHORTEST_KEY = 16
"""Characters. Keys are hashed once, which is right for random ones only."""

KEYS_VARIABLE = "XQG_SERVICE_KEYS"


class KeySettings(Settings):
    """An accepted key, by its hash, and its scope."""

    scope: Scope
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="of the key, in hexadecimal")


class SourceSettings(Settings):
    """A folder that is watched, or a collection whose augmented twin is kept up to date."""

    collection: str = Field(description="where the folder's pages go; with into: the collection that is augmented")
    folder: str | None = Field(None, description="folder of text and Markdown files to watch")
    into: str | None = Field(None, description="the augmented twin of the collection")
    alias: str | None = Field(None, description="alias that is moved to the twin")
    every_seconds: float = Field(60, ge=1, description="how often to look")

    @model_validator(mode="after")
    def _is_one_of_both(self) -> SourceSettings:
        if (self.folder is None) == (self.into is None):
            raise ValueError("a source has either a folder to watch or a collection into which another is augmented")
        if self.alias is not None and self.into is None:
            raise ValueError("alias goes with into")
        return self


class ServiceSettings(Settings):
    """Where the service listens and keeps its own files, its keys and its limits."""

    host: str = "127.0.0.1"
    port: int = Field(8331, ge=0, le=65535)
    data: Path = Path("xqg-service")
    keys: tuple[KeySettings, ...] = ()
    sources: tuple[SourceSettings, ...] = ()
    workers: int = Field(2, ge=1, le=64, description="collections written at once")
    most_json_bytes: int = Field(16 * 2**20, ge=2**10, description="largest JSON body with passages")
    most_upload_bytes: int = Field(2**30, ge=2**10, description="largest file or stream")
    most_queued_jobs: int = Field(1000, ge=1, description="jobs that may wait")
    most_queued_bytes: int = Field(4 * 2**30, ge=2**10, description="bytes that may wait")
    kept_jobs: int = Field(2000, ge=0, description="finished jobs that are remembered")
    requests_per_second: float = Field(200, gt=0, description="of one key or address; twice as many at once")
    body_seconds: float = Field(30, gt=0, description="longest pause within a request's body")
    most_compared: int = Field(5000, ge=0, description="passages of a collection that is compared with plain vectors")

    @model_validator(mode="after")
    def _is_locked_where_others_reach_it(self) -> ServiceSettings:
        if not (self.keys or is_loopback(self.host)):
            raise ValueError(
                f"{self.host} can be reached from other machines, and no key is set; set {KEYS_VARIABLE}=admin:KEY "
                f"(KEY: {SHORTEST_KEY} random characters or more), or listen on 127.0.0.1"
            )
        return self


def hash_key(key: str) -> str:
    """The hash by which a key is known."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def keys_from_environment(environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """The keys of `KEYS_VARIABLE`, ``scope:key`` and commas between them, as values of `KeySettings`.

    :raises SettingsError: if one cannot be read or is too short; does not show it.
    """
    found = []
    for position, part in enumerate(filter(None, environment.get(KEYS_VARIABLE, "").split(",")), start=1):
        scope, _, key = part.strip().partition(":")
        if scope not in SCOPES or len(key) < SHORTEST_KEY:
            raise SettingsError(
                f"Key {position} of {KEYS_VARIABLE} cannot be taken",
                f"read:KEY, write:KEY or admin:KEY with keys of {SHORTEST_KEY} characters or more",
                "Make one with `openssl rand -hex 24`",
            )
        found.append({"scope": scope, "sha256": hash_key(key)})
    return found
