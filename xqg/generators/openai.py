"""Writes queries with the chat models of OpenAI-compatible endpoints (vLLM, Ollama and others)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from xqg.errors import GenerationError
from xqg.generators.answer_cache import KeptAnswers
from xqg.generators.answers import Answer, read_answer
from xqg.generators.cleaning import LanguageCheck, Output, finish_outputs
from xqg.generators.prompts import json_message, prompt_identity, prompt_marks
from xqg.http import EndpointError, JsonEndpoint
from xqg.messages import brief
from xqg.protocols import Failure, Generation
from xqg.records import Passage, content_hash, digest
from xqg.remade import Remade
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

_ABOUT_ONE_PASSAGE = (200, 400, 413, 422, 451)
"""Answers without JSON, and refusals that may be the fault of what was asked, where other requests are answered."""

_FILTERED = re.compile(
    r"content.?(filter|management|polic)|(safety|sensitive|inappropriate|prohibited|harmful).?(content|system|filter|polic)|"
    r"moderation|flagged|data.?inspection|responsible.?ai",
    re.IGNORECASE,
)
"""Words by which providers refuse a text for what it is about: there is no use in asking again."""

ATTEMPTS = 2


@dataclass(frozen=True)
class _Task:
    """Queries to ask for: of one passage in one language."""

    passage: Passage
    language: str

    def __hash__(self) -> int:
        return hash((self.passage.id, self.language))


class OpenAIGenerator(Remade):
    """One request for each passage and language, several at once; the results keep the order of the requests.

    The answer is asked for in a JSON schema. An endpoint that refuses that, or the seed, gets plain requests from then
    on, and its answers are read leniently; a temperature that was named is sent all the same. The seed is passed on,
    but few endpoints promise anything for it.

    :param kept: where answers are kept as they come; None keeps none.
    """

    metered = True

    def __init__(
        self,
        settings: GeneratorSettings,
        detector: LanguageCheck,
        endpoint: JsonEndpoint | None = None,
        kept: KeptAnswers | None = None,
    ) -> None:
        self._settings = settings
        self._detector = detector
        self._given = endpoint
        self._model = settings.spec.removeprefix("openai:")
        self._kept = kept
        self._is_structured = True
        self._has_answered = False

    @property
    def identity(self) -> Mapping[str, Any]:
        """What changes the queries; asks the endpoint nothing."""
        return {
            "kind": "openai",
            "model": self._model,
            "wording": prompt_identity("json", self._settings.augment_with),
            "temperature": self._temperature,
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

        What was answered with nothing that can be used is asked for once more; what then has no query is a failure.

        :raises GenerationError: if the endpoint fails every time, or refuses whatever it is asked.
        """
        tasks = [_Task(passage, language) for passage, languages in requests for language in languages]
        done: dict[_Task, Generation] = {}
        left = list(dict.fromkeys(tasks))
        for attempt in range(ATTEMPTS):
            for task, answer in zip(left, self._ask_all(left, attempt), strict=True):
                done[task] = self._finished(task, answer)
                if done[task].failures and self._kept is not None:
                    self._kept.forget(self._key(self._body(task.passage, task.language, attempt)))
            left = [task for task in left if not all(failure.refused for failure in done[task].failures)]
        return Generation.joined([done[task] for task in tasks])

    def _finished(self, task: _Task, answer: Answer) -> Generation:
        """What is kept of an answer; without any query, it is a failure."""
        output = Output(task.passage, task.language, answer.texts)
        found = finish_outputs([output], self._settings, self._detector, prompt_marks("json"))
        if found.queries:
            return found
        dropped = ", ".join(f"{count} {reason}" for reason, count in found.dropped.items())
        reason = answer.complaint or f"no usable query ({dropped}): {brief(' / '.join(answer.texts), limit=120)}"
        failure = Failure(task.passage.id, task.language, reason, answer.refused)
        return Generation((), found.dropped, failures=(failure,))

    @cached_property
    def _endpoint(self) -> JsonEndpoint:
        return self._given if self._given is not None else JsonEndpoint.from_settings(self._settings)

    def _ask_all(self, tasks: Sequence[_Task], attempt: int) -> list[Answer]:
        endpoint, answers, errors = self._endpoint, [], []
        endpoint.start()
        with ThreadPoolExecutor(self._settings.concurrency) as pool:
            asked = [pool.submit(self._ask, endpoint, task, attempt) for task in tasks]
            try:
                for future in asked:
                    try:
                        answers.append(future.result())
                    except EndpointError as error:
                        if error.status not in _ABOUT_ONE_PASSAGE:
                            raise
                        errors.append(error)
                        answers.append(Answer(complaint=error.words, refused=bool(_FILTERED.search(error.words))))
            except BaseException as error:
                endpoint.stop()
                pool.shutdown(wait=True, cancel_futures=True)  # no more is spent, and what is under way is kept
                if isinstance(error, EndpointError):
                    raise GenerationError(error.found, error.expected, error.remedy) from error
                raise
        self._has_answered = self._has_answered or any(answer.texts for answer in answers)
        if not self._has_answered:  # then it is not one passage that it does not take
            for refusal in errors:
                if not _FILTERED.search(refusal.words):
                    raise GenerationError(refusal.found, refusal.expected, refusal.remedy) from refusal
        return answers

    def _ask(self, endpoint: JsonEndpoint, task: _Task, attempt: int) -> Answer:
        """The answer to one request: one that was paid for before, or a new one."""
        body = self._body(task.passage, task.language, attempt)
        key = self._key(body)
        known = self._kept.find(key) if self._kept is not None else None
        if known is not None:
            return Answer(tuple(known))
        answer = read_answer(self._post(endpoint, body))
        if answer.texts and self._kept is not None:
            self._kept.keep(key, answer.texts)
        return answer

    @property
    def _temperature(self) -> float:
        return 1 if self._settings.temperature is None else self._settings.temperature

    def _key(self, body: Mapping[str, Any]) -> str:
        return digest([self._endpoint.address, *(body[name] for name in ("model", "messages", "temperature", "seed"))])

    def _body(self, passage: Passage, language: str, attempt: int) -> dict[str, Any]:
        settings = self._settings
        seed = digest([settings.seed, content_hash(passage), language, attempt])
        message = json_message(passage, language, settings.queries_per_language, settings.augment_with)
        return {
            "model": self._model,
            "messages": [{"role": "user", "content": message}],
            "temperature": self._temperature,
            "seed": int(seed[:8], 16) >> 1,  # 31 bits: some endpoints take no more
            "response_format": _STRUCTURED,
        }

    def _post(self, endpoint: JsonEndpoint, body: dict[str, Any]) -> Any:
        kept = ("model", "messages") if self._settings.temperature is None else ("model", "messages", "temperature")
        plain = {name: body[name] for name in kept}
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
