"""Malformed is not "nothing to say": it is told, left open, asked for again, and too much of it fails the run."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from tests.endpoint import serve
from tests.fakes import FakeEncoder, FakeStore
from xqg.errors import GenerationError, XqgError
from xqg.generators.answer_cache import KeptAnswers
from xqg.generators.openai import OpenAIGenerator
from xqg.http import JsonEndpoint
from xqg.ingest.collection import READY, open_collection
from xqg.ingest.failures import ENOUGH, FailureTally
from xqg.ingest.ingest_report import IngestReport
from xqg.ingest.worker import IngestWorker
from xqg.protocols import Failure, Generation
from xqg.records import GeneratedQuery, Passage
from xqg.settings import GeneratorSettings, IngestSettings

PASSAGES = [Passage(f"p{number}", f"battery number {number}") for number in range(6)]


class EveryLanguage:
    def is_language(self, text: str, language: str, rivals: Any = ()) -> bool:
        return True


def number_of(body: dict[str, Any]) -> int:
    return int(body["messages"][0]["content"].split("battery number ")[1].split()[0])


def good(number: int) -> dict[str, Any]:
    content = json.dumps({"queries": [f"Question {number} à propos ?"]})
    return {"choices": [{"message": {"content": content}}]}


RUBBISH = {
    "no JSON": "<html>a gateway's page</html>",
    "other shape": {"hello": 1},
    "no content": {"choices": [{"message": {"content": None}}]},
    "cut off": {"choices": [{"message": {"content": '{"queries": ["Que'}, "finish_reason": "length"}]},
    "thoughts alone": {"choices": [{"message": {"content": "<think>Hm. What?"}}]},
    "an error of the choice": {"choices": [{"error": {"message": "provider died"}, "message": {"content": ""}}]},
    "a language": {"choices": [{"message": {"content": '{"queries": ["French"]}'}}]},
}


class Run:
    """Runs of the worker against one collection, with an endpoint that a test scripts."""

    def __init__(self, script: Any, kept: Path | None = None) -> None:
        self.script, self.kept, self.store = script, kept, FakeStore()

    def __call__(self, passages: list[Passage] = PASSAGES, batch_size: int = 32) -> IngestReport:
        options: dict[str, Any] = {
            "spec": "openai:m",
            "languages": ("fr",),
            "queries_per_language": 1,
            "concurrency": 1,
        }
        endpoint = JsonEndpoint(self.script.url, None, 5, sleep=lambda _: None)
        kept = None if self.kept is None else KeptAnswers(self.kept)
        generator = OpenAIGenerator(GeneratorSettings(**options), EveryLanguage(), endpoint, kept)
        settings = IngestSettings(store={"collection": "c"}, generator=options, fusion={"rule": "mean"})
        encoder: Any = FakeEncoder()
        opened = open_collection(self.store, encoder, generator, settings, ("fr",), lambda _: None)  # type: ignore[arg-type, return-value]
        return IngestWorker(generator, encoder, self.store, opened, batch_size).run(passages, lambda _: None)

    def queries(self) -> dict[str, dict[str, tuple[str, ...]]]:
        return {key: dict(point.entry.texts.queries) for key, point in self.store.stored.items()}


@pytest.mark.parametrize("rubbish", RUBBISH.values(), ids=RUBBISH)
def test_one_malformed_answer_is_left_open_and_asked_for_again(rubbish: Any, caplog: pytest.LogCaptureFixture) -> None:
    broken = {2}
    with serve(lambda body: (200, {}, rubbish if number_of(body) in broken else good(number_of(body)))) as script:
        run = Run(script)
        with caplog.at_level(logging.WARNING):
            report = run()
        assert (report.upserted, report.generated, report.failed, report.refused) == (6, 5, 1, 0)
        assert "'p2'" in caplog.text
        assert run.queries()["p2"] == {}
        broken.clear()
        asked = len(script.requests)
        report = run()
        assert len(script.requests) == asked + 1
        assert (report.upserted, report.skipped, report.generated, report.failed) == (1, 5, 1, 0)
        assert run.queries()["p2"] == {"fr": ("Question 2 à propos ?",)}


def test_one_that_fails_for_ever_fails_no_run() -> None:
    with serve(lambda body: (200, {}, {} if number_of(body) == 2 else good(number_of(body)))) as script:
        run = Run(script)
        assert [run().failed for _ in range(3)] == [1, 1, 1]


@pytest.mark.parametrize("rubbish", RUBBISH.values(), ids=RUBBISH)
def test_rubbish_for_everything_fails_the_run(rubbish: Any) -> None:
    with serve(lambda body: (200, {}, rubbish)) as script:
        run = Run(script)
        with pytest.raises(GenerationError, match=r"6 of 6 requests for queries failed|no JSON"):
            run()
        script.answer = lambda body: (200, {}, good(number_of(body)))
        assert run().generated == 6


def test_a_long_run_ends_before_the_rest_is_asked_for_nothing() -> None:
    many = [Passage(f"p{number}", f"battery number {number}") for number in range(200)]
    with serve(lambda body: (200, {}, {})) as script:
        with pytest.raises(GenerationError, match="40 of 40"):
            Run(script)(many, batch_size=40)
        assert len(script.requests) == 80


def test_a_provider_that_says_why_is_quoted(caplog: pytest.LogCaptureFixture) -> None:
    with serve(lambda body: (200, {}, {"error": {"message": "upstream is overloaded", "code": 502}})) as script:
        with pytest.raises(GenerationError, match="upstream is overloaded"):
            Run(script)()
        script.answer = lambda body: (200, {}, {"error": {"message": "no credits left", "code": 402}})
        with pytest.raises(GenerationError, match="no credits left"):
            Run(script)()


FILTER = {"error": {"message": "The prompt triggered the content management policy", "code": "content_filter"}}
REFUSALS = {
    "a status": (400, {}, FILTER),
    "a finish reason": (200, {}, {"choices": [{"message": {"content": ""}, "finish_reason": "content_filter"}]}),
    "a refusal": (200, {}, {"choices": [{"message": {"content": None, "refusal": "I will not do that"}}]}),
}


@pytest.mark.parametrize("answer", REFUSALS.values(), ids=REFUSALS)
@pytest.mark.parametrize("batch_size", [1, 32])
def test_a_passage_that_the_provider_refuses_is_stored_and_named(
    answer: Any, batch_size: int, caplog: pytest.LogCaptureFixture
) -> None:
    with serve(lambda body: answer if number_of(body) == 0 else (200, {}, good(number_of(body)))) as script:
        run = Run(script)
        report = run(batch_size=batch_size)
        assert (report.upserted, report.generated, report.failed, report.refused) == (6, 5, 0, 1)
        assert "'p0' will not be written" in caplog.text
        asked = len(script.requests)
        assert run().skipped == 6
        assert len(script.requests) == asked


def test_other_bad_requests_are_one_passages_only_where_others_are_answered() -> None:
    too_long = (400, {}, {"error": {"message": "maximum context length is 4096 tokens"}})
    with serve(lambda body: too_long if number_of(body) == 3 else (200, {}, good(number_of(body)))) as script:
        report = Run(script)()
        assert (report.generated, report.failed) == (5, 1)
        script.answer = lambda body: (400, {}, {"error": {"message": "no such model"}})
        with pytest.raises(GenerationError, match="no such model"):
            Run(script)()


@pytest.mark.parametrize("failure", [(401, {}, "bad key"), (503, {}, "down")])
def test_what_was_answered_before_a_refusal_is_never_asked_again(failure: Any, tmp_path: Path) -> None:
    answered: list[int] = []

    def answer(body: dict[str, Any]) -> Any:
        number = number_of(body)
        if number == 4:
            return failure
        answered.append(number)
        return 200, {}, good(number)

    with serve(answer) as script:
        run = Run(script, tmp_path / "kept" / "answers.sqlite")
        with pytest.raises(XqgError):
            run()
        assert sorted({*answered} - {5}) == [0, 1, 2, 3]  # the last may have been under way
        assert run.queries() == {}
        script.answer = lambda body: answered.append(number_of(body)) or (200, {}, good(number_of(body)))
        assert run().generated == 6
        assert sorted(answered) == [0, 1, 2, 3, 4, 5]


def test_the_same_passage_twice_is_one_request() -> None:
    twins = [PASSAGES[0], Passage("p0", "battery number 0")]
    with serve(lambda body: (200, {}, good(0))) as script:
        Run(script)(twins)
        assert len(script.requests) == 1


class TestKeptAnswers:
    def test_they_are_there_for_another_process(self, tmp_path: Path) -> None:
        KeptAnswers(tmp_path / "a" / "b.sqlite").keep("key", ["Où ?", "Quand ?"])
        kept = KeptAnswers(tmp_path / "a" / "b.sqlite")
        assert kept.find("key") == ["Où ?", "Quand ?"]
        assert kept.find("other") is None
        kept.forget("key")
        assert kept.find("key") is None

    def test_a_month_later_they_are_gone(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        KeptAnswers(tmp_path / "b.sqlite").keep("key", ["Où ?"])
        monkeypatch.setattr("xqg.generators.answer_cache._today", lambda: 10**6)
        assert KeptAnswers(tmp_path / "b.sqlite").find("key") is None

    def test_a_file_that_is_none_costs_a_warning(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        (tmp_path / "b.sqlite").write_bytes(b"no database" * 1000)
        for path in (tmp_path / "b.sqlite", tmp_path / "b.sqlite" / "below"):
            kept = KeptAnswers(path)
            kept.keep("key", ["Où ?"])
            assert kept.find("key") is None
        assert caplog.text.count("cannot be kept") == 2


def test_a_generator_of_which_nothing_can_be_kept_fails() -> None:
    requests = [(passage, ["fr"]) for passage in [Passage(f"p{n}", "x") for n in range(ENOUGH)]]
    with pytest.raises(GenerationError, match="Nothing that the generator wrote"):
        FailureTally().add(requests, Generation((), {"language": 3}))
    FailureTally().add(requests, Generation((GeneratedQuery("p0", "fr", "?"),), {}))
    few = FailureTally()
    few.add(requests[:3], Generation((), {}))
    few.finish()
    one = FailureTally()
    one.add(requests[:1], Generation((), {}, (Failure("p0", "fr", "why", refused=True),)))
    one.finish()


def test_the_state_is_ready_and_the_collection_whole() -> None:
    with serve(lambda body: (200, {}, {} if number_of(body) == 2 else good(number_of(body)))) as script:
        run = Run(script)
        run()
        assert run.store.collection is not None
        assert run.store.collection.metadata["state"] == READY
