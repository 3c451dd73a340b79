"""``translate:openai:MODEL`` and ``translate:libretranslate:URL``: endpoints that translate many texts a request."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import islice
from typing import Any

from xqg.errors import PARSING_ERRORS, GenerationError
from xqg.generators.cleaning import without_thoughts
from xqg.http import EndpointError, JsonEndpoint
from xqg.languages import language_name
from xqg.settings import GeneratorSettings

BATCH = 20
"""Texts in a request: few enough that a model keeps count of them."""

SERVER_BATCH = 32
"""The same for LibreTranslate."""

LIBRETRANSLATE_KEY = "LIBRETRANSLATE_API_KEY"
"""The environment variable with its key."""

_PROMPT = (
    "Translate each of these {count} texts from {source} into {target}, as people there would write it. "
    'Answer with nothing but JSON: {{"translations": [{count} strings in the same order]}}.\n\n{texts}'
)


class OpenAITranslator:
    """Several requests under way at once. An answer with another number of texts is asked for again, then in halves."""

    metered = True

    def __init__(self, settings: GeneratorSettings, model: str, endpoint: JsonEndpoint | None = None) -> None:
        self._settings, self._model, self._given = settings, model, endpoint

    @property
    def identity(self) -> Mapping[str, Any]:
        """The model and how it is asked; asks the endpoint nothing."""
        return {"engine": "openai", "model": self._model, "wording": _PROMPT}

    def check(self) -> None:
        """:raises SettingsError: if there is no key or the address is none."""
        self._endpoint  # noqa: B018  built here, so that a missing key is found before any work

    def translate(self, texts: Sequence[str], source: str, target: str) -> Iterator[tuple[str, str]]:
        """Each text with its translation; "" where the model keeps answering something else.

        :raises GenerationError: if the endpoint refuses or fails; what was translated before has been handed over.
        """
        batches = iter([texts[start : start + BATCH] for start in range(0, len(texts), BATCH)])
        languages = language_name(source), language_name(target)
        with ThreadPoolExecutor(self._settings.concurrency) as pool:
            try:
                # no more than are under way: after a failure no more money is spent
                while group := list(islice(batches, self._settings.concurrency)):
                    asked = [pool.submit(self._translate, batch, *languages) for batch in group]
                    for batch, answer in zip(group, asked, strict=True):
                        yield from zip(batch, answer.result(), strict=True)
            except EndpointError as error:
                raise GenerationError(error.found, error.expected, error.remedy) from error

    def _translate(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        numbered = json.dumps(dict(enumerate(texts, start=1)), ensure_ascii=False, indent=0)
        message = _PROMPT.format(count=len(texts), source=source, target=target, texts=numbered)
        body = {"model": self._model, "messages": [{"role": "user", "content": message}]}
        for _ in range(2):
            found = _read_texts(self._endpoint.post_json("chat/completions", body))
            if found is not None and len(found) == len(texts):
                return found
        if len(texts) == 1:
            return [""]
        half = len(texts) // 2
        return self._translate(texts[:half], source, target) + self._translate(texts[half:], source, target)

    @cached_property
    def _endpoint(self) -> JsonEndpoint:
        return self._given if self._given is not None else JsonEndpoint.from_settings(self._settings)


class LibreTranslator:
    """A request for every 32 texts; its key, where it wants one, is in ``LIBRETRANSLATE_API_KEY``."""

    metered = True

    def __init__(self, settings: GeneratorSettings, address: str) -> None:
        self._key = os.environ.get(LIBRETRANSLATE_KEY, "")
        self._endpoint = JsonEndpoint(address, self._key, settings.timeout_seconds)

    @property
    def identity(self) -> Mapping[str, Any]:
        """The kind of server: its address is private, and it names no model."""
        return {"engine": "libretranslate"}

    def check(self) -> None:
        """Nothing can be told without asking it."""

    def translate(self, texts: Sequence[str], source: str, target: str) -> Iterator[tuple[str, str]]:
        """Each text with its translation.

        :raises GenerationError: if the server refuses or fails, or answers another number of texts.
        """
        for start in range(0, len(texts), SERVER_BATCH):
            batch = list(texts[start : start + SERVER_BATCH])
            body: dict[str, Any] = {"q": batch, "source": source, "target": target, "format": "text"}
            if self._key:
                body["api_key"] = self._key
            try:
                answer = self._endpoint.post_json("translate", body)
            except EndpointError as error:
                raise GenerationError(error.found, error.expected, error.remedy) from error
            found = answer.get("translatedText") if isinstance(answer, dict) else None
            if not isinstance(found, list) or [type(text) for text in found] != [str] * len(batch):
                raise GenerationError(
                    "The server answered something else",
                    f"{len(batch)} translations from LibreTranslate",
                    "Check its address",
                )
            yield from zip(batch, found, strict=True)


def _read_texts(answer: Any) -> list[str] | None:
    """The list of texts in an answer, also where talk or a fence is around its JSON; None where there is none."""
    try:
        text, _ = without_thoughts(str(answer["choices"][0]["message"]["content"]))
        start = min(place for sign in "{[" if (place := text.find(sign)) >= 0)
        value = json.loads(text[start : max(text.rfind(sign) for sign in "}]") + 1])
    except PARSING_ERRORS:
        return None
    if isinstance(value, dict):
        value = next((part for part in value.values() if isinstance(part, list)), None)
    return value if isinstance(value, list) and all(isinstance(part, str) for part in value) else None
