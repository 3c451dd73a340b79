"""Writes queries with the chat models of OpenAI-compatible endpoints (vLLM, Ollama and others)."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

from xqg.errors import GenerationError
from xqg.http import EndpointError, JsonEndpoint
from xqg.ingest.cleaning import MALFORMED, LanguageCheck
from xqg.ingest.generators.finishing import Output, finish_outputs
from xqg.ingest.prompts import json_message, prompt_identity, prompt_marks
from xqg.protocols import Generation
from xqg.records import Passage, content_hash, digest
from xqg.settings import GeneratorSettings

_SCHEMA = {
    "type": "object",
    "properties": {"queries": {"type": "array", "items": {"type": "string"}}},
    "required": ["queries"],
    "additionalProperties": False,
}
_STRUCTURED = {"type": "json_schema", "json_schema": {"name": "queries", "strict": True, "schema": _SCHEMA}}
_REFUSALS = (400, 422)
"""How endpoints answer options that they do not know."""

_THOUGHTS = re.compile(r"<think>.*?</think>", re.DOTALL)
_OBJECT = re.compile(r"\{.*\}|\[.*\]", re.DOTALL)


class OpenAIGenerator:
    """One request for each passage and language, several at once; the results keep the order of the requests.

    The answer is asked for in a JSON schema. An endpoint that refuses that, or the seed, gets plain requests from then
    on, and its answers are read leniently. The seed is passed on, but few endpoints promise anything for it.
    """

    metered = True

    def __init__(
        self, settings: GeneratorSettings, detector: LanguageCheck, endpoint: JsonEndpoint | None = None
    ) -> None:
        self._settings = settings
        self._detector = detector
        self._given = endpoint
        self._model = settings.spec.removeprefix("openai:")
        self._is_structured = True

    @property
    def identity(self) -> Mapping[str, Any]:
        """What changes the queries; asks the endpoint nothing."""
        return {
            "kind": "openai",
            "model": self._model,
            "prompt": prompt_identity("json", self._settings.augment_with),
            "seed": self._settings.seed,
        }

    def languages(self) -> tuple[str, ...]:
        """None of its own: the target languages have to be named."""
        return ()

    def check(self) -> None:
        """See that address and key can be used, without a request. :raises SettingsError: says what cannot."""
        _ = self._endpoint

    def generate(self, requests: Sequence[tuple[Passage, Sequence[str]]]) -> Generation:
        """Queries for each passage in each of its languages, in the order of the requests.

        :raises GenerationError: if the endpoint refuses or fails every time.
        """
        tasks = [(passage, language) for passage, languages in requests for language in languages]
        answers = self._ask_all(tasks)
        outputs = [
            Output(passage, language, tuple(texts))
            for (passage, language), texts in zip(tasks, answers, strict=True)
            if texts is not None
        ]
        settings = self._settings
        limit = settings.queries_per_language
        finished = finish_outputs(outputs, settings, self._detector, prompt_marks("json"))
        lost = limit * (len(tasks) - len(outputs))
        if not lost:
            return finished
        return Generation(finished.queries, dict(Counter(finished.dropped) + Counter({MALFORMED: lost})))

    @cached_property
    def _endpoint(self) -> JsonEndpoint:
        return self._given if self._given is not None else JsonEndpoint.from_settings(self._settings)

    def _ask_all(self, tasks: Sequence[tuple[Passage, str]]) -> list[list[str] | None]:
        endpoint = self._endpoint
        with ThreadPoolExecutor(self._settings.concurrency) as pool:
            answers = [pool.submit(self._ask, endpoint, passage, language) for passage, language in tasks]
            try:
                return [answer.result() for answer in answers]
            except EndpointError as error:
                raise GenerationError(error.found, error.asked, error.remedy) from error
            finally:
                pool.shutdown(wait=False, cancel_futures=True)  # after a failure no more money is spent

    def _ask(self, endpoint: JsonEndpoint, passage: Passage, language: str) -> list[str] | None:
        """The queries of one answer, asked for twice if the first is malformed; None if both are."""
        for attempt in range(2):
            texts = read_queries(self._post(endpoint, self._body(passage, language, attempt)))
            if texts is not None:
                return texts
        return None

    def _body(self, passage: Passage, language: str, attempt: int) -> dict[str, Any]:
        settings = self._settings
        seed = digest([settings.seed, content_hash(passage), language, attempt])
        message = json_message(passage, language, settings.queries_per_language, settings.augment_with)
        return {
            "model": self._model,
            "messages": [{"role": "user", "content": message}],
            "temperature": 1,
            "seed": int(seed[:8], 16) >> 1,  # 31 bits: some endpoints take no more
            "response_format": _STRUCTURED,
        }

    def _post(self, endpoint: JsonEndpoint, body: dict[str, Any]) -> Any:
        plain = {name: body[name] for name in ("model", "messages")}
        if not self._is_structured:
            return endpoint.post_json("chat/completions", plain)
        try:
            return endpoint.post_json("chat/completions", body)
        except EndpointError as error:
            if error.status not in _REFUSALS:
                raise
            answer = endpoint.post_json("chat/completions", plain)  # raises if the options were not the reason
            self._is_structured = False
            return answer


def read_queries(answer: Any) -> list[str] | None:
    """The queries in the answer of a chat endpoint, however the model dressed them; None if there are none."""
    try:
        content = answer["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        return None
    if not isinstance(content, str):
        return None
    text = _THOUGHTS.sub("", content).strip()
    match = _OBJECT.search(text)
    for candidate in (text, match.group() if match is not None else ""):
        try:
            return _texts_in(json.loads(candidate))
        except ValueError:
            continue
    if text.startswith(("{", "[", "```")):
        return None  # JSON that was cut off or is broken
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.endswith((":", "："))] or None


def _texts_in(value: Any) -> list[str] | None:
    if isinstance(value, dict):
        lists = (
            [value["queries"]] if "queries" in value else [item for item in value.values() if isinstance(item, list)]
        )
        value = lists[0] if lists else None
    if not isinstance(value, list) or not value:
        return None
    texts = [next(iter(item.values()), None) if isinstance(item, dict) else item for item in value]
    return [text for text in texts if isinstance(text, str)] or None
