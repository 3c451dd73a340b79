"""``translate:libretranslate:URL``: a LibreTranslate server."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from xqg.errors import GenerationError
from xqg.http import EndpointError, JsonEndpoint
from xqg.settings import GeneratorSettings

BATCH = 32

KEY_VARIABLE = "LIBRETRANSLATE_API_KEY"


class LibreTranslator:
    """A request for every 32 texts; its key, where it wants one, is in ``LIBRETRANSLATE_API_KEY``."""

    metered = True

    def __init__(self, settings: GeneratorSettings, address: str) -> None:
        self._key = os.environ.get(KEY_VARIABLE, "")
        self._endpoint = JsonEndpoint(address, self._key, settings.timeout_seconds)

    @property
    def identity(self) -> Mapping[str, Any]:
        """The kind of server: its address is nobody's business, and it tells no model."""
        return {"engine": "libretranslate"}

    def check(self) -> None:
        """Nothing can be told without asking it."""

    def translate(self, texts: Sequence[str], source: str, target: str) -> Iterator[tuple[str, str]]:
        """Each text with its translation.

        :raises GenerationError: if the server refuses or fails, or answers another number of texts.
        """
        for start in range(0, len(texts), BATCH):
            batch = list(texts[start : start + BATCH])
            body: dict[str, Any] = {"q": batch, "source": source, "target": target, "format": "text"}
            if self._key:
                body["api_key"] = self._key
            try:
                answer = self._endpoint.post_json("translate", body)
            except EndpointError as error:
                raise GenerationError(error.found, error.expected, error.remedy) from error
            found = answer.get("translatedText") if isinstance(answer, dict) else None
            if not isinstance(found, list) or len(found) != len(batch):
                raise GenerationError(
                    f"The server answered without {len(batch)} translations",
                    "asked LibreTranslate",
                    "Check its address",
                )
            yield from zip(batch, map(str, found), strict=True)
