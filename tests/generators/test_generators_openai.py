import json
import time

import pytest

from tests.endpoint import serve
from xqg.errors import GenerationError, SettingsError
from xqg.generators.answers import read_answer
from xqg.generators.openai import OpenAIGenerator
from xqg.http import JsonEndpoint
from xqg.protocols import Failure
from xqg.records import Passage
from xqg.settings import GeneratorSettings, validated

OWL = Passage(id="owl", text="Owls hunt at night.")
BRIDGE = Passage(id="bridge", text="The bridge opened in March.")


class EveryLanguage:
    def is_language(self, text, language, rivals=()):
        return text != "wrong language"


def read_queries(answer):
    return list(read_answer(answer).texts) or None


def answer_with(content, status=200):
    return status, {}, {"choices": [{"message": {"content": content}}]}


def write_queries(body):
    """Queries that tell which passage and language they were asked for."""
    prompt = body["messages"][0]["content"]
    name = "owl" if "Owls" in prompt else "bridge"
    language = "French" if "French" in prompt else "Japanese"
    return answer_with(json.dumps({"queries": [f"{name} {language} {number}" for number in (1, 2, 3)]}))


def generator_of(script, **options):
    settings = {"spec": "openai:tiny", "languages": ("fr", "ja"), "queries_per_language": 2, "concurrency": 4}
    endpoint = JsonEndpoint(script.url, None, 5, sleep=lambda _: None)
    return OpenAIGenerator(GeneratorSettings(**(settings | options)), EveryLanguage(), endpoint)


def texts(generation):
    return [(query.passage_id, query.language, query.text) for query in generation.queries]


def test_results_keep_the_order_of_the_requests():
    def answer(body):
        time.sleep(0.1 if "Owls" in body["messages"][0]["content"] else 0)
        return write_queries(body)

    with serve(answer) as script:
        generation = generator_of(script).generate([(OWL, ("fr", "ja")), (BRIDGE, ("ja",))])
    assert texts(generation) == [
        ("owl", "fr", "owl French 1"),
        ("owl", "fr", "owl French 2"),
        ("owl", "ja", "owl Japanese 1"),
        ("owl", "ja", "owl Japanese 2"),
        ("bridge", "ja", "bridge Japanese 1"),
        ("bridge", "ja", "bridge Japanese 2"),
    ]
    assert generation.dropped == {}


def test_the_request():
    with serve(write_queries) as script:
        generator_of(script).generate([(OWL, ("fr",))])
        generator_of(script).generate([(OWL, ("fr",))])
        generator_of(script, seed=1).generate([(OWL, ("fr",))])
    first, second, other = script.requests
    assert script.paths[0] == "/v1/chat/completions"
    assert first["model"] == "tiny"
    assert first["response_format"]["json_schema"]["schema"]["required"] == ["queries"]
    assert first["seed"] == second["seed"] != other["seed"]
    prompt = first["messages"][0]["content"]
    assert prompt.index("Owls hunt") < prompt.index("2 different") < prompt.index("French")


def test_requests_run_at_once_but_no_more_than_allowed():
    running, most = [], []

    def answer(body):
        running.append(1)
        most.append(len(running))
        time.sleep(0.05)
        running.pop()
        return write_queries(body)

    with serve(answer) as script:
        generator_of(script, concurrency=3).generate([(OWL, ("fr", "ja"))] * 5)
    assert 1 < max(most) <= 3


def test_an_endpoint_without_schemas_is_asked_plainly_from_then_on():
    def answer(body):
        if "response_format" in body:
            return 400, {}, {"error": {"message": "unknown option response_format"}}
        return answer_with('Sure!\n```json\n["Eins?", "Zwei?"]\n```')

    with serve(answer) as script:
        generator = generator_of(script, concurrency=1)
        first = generator.generate([(OWL, ("fr",))])
        generator.generate([(OWL, ("fr",))])
    assert [text for _, _, text in texts(first)] == ["Eins?", "Zwei?"]
    assert ["response_format" in body for body in script.requests] == [True, False, False]


def test_a_malformed_answer_is_asked_for_once_more_then_it_is_a_failure():
    contents = iter(['{"queries": ["cut o', "{", '{"queries": ["Eins?"]}', '{"wrong": 1}'])
    with serve(lambda body: answer_with(next(contents))) as script:
        generation = generator_of(script, concurrency=1).generate([(OWL, ("fr", "ja"))])
    assert texts(generation) == [("owl", "fr", "Eins?")]
    assert generation.dropped == {}
    assert generation.failures == (Failure("owl", "ja", 'no list of texts: {"wrong": 1}'),)
    seeds = [body["seed"] for body in script.requests]
    assert len(set(seeds)) == 4


def test_queries_are_cleaned():
    content = json.dumps({"queries": ["1. Eins?", "wrong language", "eins?"]})
    with serve(lambda body: answer_with(content)) as script:
        generation = generator_of(script).generate([(OWL, ("fr",))])
    assert [text for _, _, text in texts(generation)] == ["Eins?"]
    assert generation.dropped == {"language": 1, "duplicate": 1}


@pytest.mark.parametrize("status", [400, 401, 503])
def test_failures_are_generation_errors(status):
    with (
        serve(lambda body: (status, {}, {"error": "no such model"})) as script,
        pytest.raises(GenerationError, match=f"{status}.*no such model"),
    ):
        generator_of(script).generate([(OWL, ("fr",))])


def test_identity_check_and_money():
    generator = OpenAIGenerator(
        GeneratorSettings(spec="openai:tiny", languages=("fr",), base_url="http://localhost:1/v1"), EveryLanguage()
    )
    generator.check()
    assert generator.metered
    assert generator.languages() == ()
    assert generator.identity["model"] == "tiny"


@pytest.mark.parametrize(
    ("content", "queries"),
    [
        ('{"queries": ["a?", "b?"]}', ["a?", "b?"]),
        ('["a?", "b?"]', ["a?", "b?"]),
        ('{"questions": [{"question": "a?"}]}', ["a?"]),
        ('<think>[x]</think>\n```json\n{"queries": ["a?"]}\n```', ["a?"]),
        ("Here are two:\n1. a [b]?\n2. c?", ["a [b]?", "c?"]),
        ('{"queries": []}', None),
        ('{"queries": "a?"}', ["a?"]),
        ('{"queries": [1, 2]}', None),
        ('{"queries": ["a', None),
        ("7", None),
        ("", None),
        (None, None),
    ],
)
def test_reading_answers(content, queries):
    assert read_queries({"choices": [{"message": {"content": content}}]}) == queries


@pytest.mark.parametrize("answer", [None, [], {}, {"choices": []}, {"choices": [{}]}, {"choices": [{"message": None}]}])
def test_answers_of_another_shape(answer):
    assert read_queries(answer) is None


def test_a_temperature_that_was_named_is_sent_also_in_plain_requests():
    def refuse_schemas(body):
        return (400, {}, {"error": "no schemas"}) if "response_format" in body else write_queries(body)

    with serve(refuse_schemas) as script:
        generator = generator_of(script, languages=("fr",), temperature=0.2)
        assert len(generator.generate([(OWL, ("fr",))]).queries) == 2
        assert generator.identity != generator_of(script, languages=("fr",)).identity
    assert [body["temperature"] for body in script.requests] == [0.2, 0.2]


@pytest.mark.parametrize(
    ("option", "flag"),
    [({"top_k": 5}, "--top-k"), ({"max_new_tokens": 20}, "--max-new-tokens"), ({"style": "search"}, "--style")],
)
@pytest.mark.parametrize("spec", ["openai:tiny", "translate+openai:tiny"])
def test_options_that_no_endpoint_knows_are_refused(spec, option, flag):
    with pytest.raises(SettingsError, match=f"{flag} has no meaning for an openai: model"):
        validated(GeneratorSettings, {"spec": spec, "languages": ("fr",), **option})
