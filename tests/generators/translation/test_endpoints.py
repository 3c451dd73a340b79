"""Translating with chat models and with LibreTranslate, against a server of the test's own."""

import json
import re

import pytest

from tests.endpoint import serve
from xqg.errors import GenerationError
from xqg.generators.translation.endpoints import BATCH, LibreTranslator, OpenAITranslator
from xqg.http import JsonEndpoint
from xqg.settings import GeneratorSettings

TEXTS = [f"Sentence {number}." for number in range(BATCH + 5)]


def numbered(body):
    """The texts of a request."""
    return list(json.loads(re.search(r"\{\n.*\n\}$", body["messages"][0]["content"], re.DOTALL).group()).values())


def answer(texts):
    return 200, {}, {"choices": [{"message": {"content": json.dumps({"translations": texts})}}]}


def translator_of(script, **options):
    settings = GeneratorSettings(spec="translate:openai:tiny", languages=("fr",), **options)
    return OpenAITranslator(settings, "tiny", JsonEndpoint(script.url, None, 5, sleep=lambda _: None))


def test_many_texts_a_request_in_their_order():
    with serve(lambda body: answer([f"fr {text}" for text in numbered(body)])) as script:
        found = list(translator_of(script).translate(TEXTS, "en", "fr"))
    assert found == [(text, f"fr {text}") for text in TEXTS]
    assert sorted(len(numbered(body)) for body in script.requests) == [5, BATCH]
    assert "from English into French" in script.requests[0]["messages"][0]["content"]


def test_a_wrong_number_is_asked_again_then_in_halves():
    """The third text makes the model say one translation too few, alone and with others."""

    def lazy(body):
        texts = numbered(body)
        return answer([f"fr {text}" for text in texts if text != "c"] or ["one", "two"])

    with serve(lazy) as script:
        found = dict(translator_of(script).translate(list("abcd"), "en", "fr"))
    assert found == {"a": "fr a", "b": "fr b", "c": "", "d": "fr d"}
    assert [numbered(body) for body in script.requests] == [
        [*"abcd"], [*"abcd"], [*"ab"], [*"cd"], [*"cd"], ["c"], ["c"], ["d"],
    ]  # fmt: skip


def test_what_came_before_a_failure_is_handed_over():
    def failing(body):
        texts = numbered(body)
        return answer(texts) if "Sentence 0." in texts else (400, {}, {"error": {"message": "no more"}})

    found = []
    with serve(failing) as script, pytest.raises(GenerationError, match="status 400: no more"):
        found.extend(translator_of(script, concurrency=1).translate(TEXTS, "en", "fr"))
    # extend keeps what the iterator gave before it raised
    assert [text for text, _ in found] == TEXTS[:BATCH]


def test_libretranslate(monkeypatch):
    monkeypatch.setenv("LIBRETRANSLATE_API_KEY", "secret-1")
    monkeypatch.setenv("OPENAI_API_KEY", "secret-2")

    def translate(body):
        return 200, {}, {"translatedText": [f"{body['target']} {text}" for text in body["q"]]}

    with serve(translate) as script:
        translator = LibreTranslator(GeneratorSettings(spec="bundled", languages=("fr",)), script.url)
        assert dict(translator.translate(TEXTS, "en", "fr")) == {text: f"fr {text}" for text in TEXTS}
    assert (script.paths[0], script.requests[0]["api_key"]) == ("/v1/translate", "secret-1")
    assert "secret-2" not in json.dumps([script.requests, script.headers])


@pytest.mark.parametrize("content", [{"translatedText": ["one"]}, {"translatedText": "one"}, ["one", "two"]])
def test_libretranslate_that_answers_something_else(content):
    with serve(lambda body: (200, {}, content)) as script:
        translator = LibreTranslator(GeneratorSettings(spec="bundled", languages=("fr",)), script.url)
        with pytest.raises(GenerationError, match="expected 2 translations"):
            list(translator.translate(["a", "b"], "en", "fr"))
