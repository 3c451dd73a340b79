import gc
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import httpx
import pytest

from tests.endpoint import serve
from xqg.errors import RETRY_ATTEMPTS, SettingsError
from xqg.http import DEFAULT_BASE_URL, LONGEST_PAUSE_SECONDS, EndpointError, JsonEndpoint
from xqg.settings import GeneratorSettings

KEY = "sk-very-secret"


def answers(*script):
    """Answer the requests one after the other, the last one for ever."""
    left = list(script)
    return lambda body: left.pop(0) if len(left) > 1 else left[0]


def endpoint_of(script, pauses=None, timeout=5.0):
    return JsonEndpoint(script.url, KEY, timeout, sleep=(pauses if pauses is not None else []).append)


def test_a_json_answer_and_what_was_sent():
    with serve(answers((200, {}, {"data": [1]}))) as script:
        assert endpoint_of(script).post_json("/embeddings", {"input": ["é"]}) == {"data": [1]}
    assert script.paths == ["/v1/embeddings"]
    assert script.requests == [{"input": ["é"]}]
    assert script.headers[0]["Authorization"] == f"Bearer {KEY}"


def test_without_a_key_no_header_is_sent():
    with serve(answers((200, {}, {}))) as script:
        JsonEndpoint(script.url + "/", None, 5).post_json("x", {})
    assert "Authorization" not in script.headers[0]


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_retry_after_in_seconds(status):
    pauses = []
    with serve(answers((status, {"Retry-After": "7"}, "busy"), (200, {}, {"ok": 1}))) as script:
        assert endpoint_of(script, pauses).post_json("x", {}) == {"ok": 1}
    assert pauses == [7.0]


def test_retry_after_as_a_date_absent_unreadable_or_endless():
    soon = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=110), usegmt=True)
    past = format_datetime(datetime.now(timezone.utc) - timedelta(seconds=30), usegmt=True)
    waits = [{"Retry-After": soon}, {"Retry-After": past}, {}, {"Retry-After": "soon"}, {"Retry-After": "86400"}]
    pauses = []
    with serve(answers(*[(429, headers, "") for headers in waits], (200, {}, {}))) as script:
        endpoint_of(script, pauses).post_json("x", {})
    assert 0 <= pauses[0] <= 110
    assert pauses[1] == 0
    assert 0 <= pauses[2] <= 32
    assert 0 <= pauses[3] <= 32
    assert pauses[4] == LONGEST_PAUSE_SECONDS


def test_it_gives_up_and_says_what_came_last():
    pauses = []
    with (
        serve(answers((503, {}, {"error": {"message": "overloaded\nnow"}}))) as script,
        pytest.raises(EndpointError, match="503 overloaded now"),
    ):
        endpoint_of(script, pauses).post_json("x", {})
    assert len(script.requests) == RETRY_ATTEMPTS == len(pauses) + 1


def test_a_slow_answer_is_asked_for_again():
    late = threading.Event()

    def answer(body):
        if len(script.requests) == 1:
            late.wait(5)
        return 200, {}, {"ok": 1}

    pauses = []
    with serve(answer) as script:
        assert endpoint_of(script, pauses, timeout=0.2).post_json("x", {}) == {"ok": 1}
        late.set()
    assert len(pauses) == 1


def test_nobody_there():
    with serve(answers((200, {}, {}))) as script:
        pass
    with pytest.raises(EndpointError, match=r"127\.0\.0\.1") as failure:
        endpoint_of(script).post_json("x", {})
    assert failure.value.status is None


@pytest.mark.parametrize(("status", "remedy"), [(400, "model"), (401, "OPENAI_API_KEY"), (403, "rights"), (404, "/v1")])
def test_refusals_are_not_repeated_and_name_a_remedy(status, remedy):
    with (
        serve(answers((status, {}, {"error": {"message": f"no, {KEY} is wrong"}}))) as script,
        pytest.raises(EndpointError, match=f"{status}: no") as refusal,
    ):
        endpoint_of(script).post_json("x", {})
    assert remedy in refusal.value.remedy
    assert refusal.value.status == status
    assert len(script.requests) == 1
    assert KEY not in str(refusal.value)


def test_the_key_appears_in_no_log_and_no_error(caplog):
    with (
        caplog.at_level(logging.DEBUG),
        serve(answers((500, {}, f"echo {KEY}"), (200, {}, f"<{KEY}>"))) as script,
        pytest.raises(EndpointError, match="no JSON") as failure,
    ):
        endpoint_of(script).post_json("x", {})
    assert KEY not in str(failure.value)
    assert KEY not in caplog.text
    secret = JsonEndpoint(script.url.replace("http://", f"http://me:{KEY}@"), None, 1, sleep=lambda _: None)
    with pytest.raises(EndpointError) as failure:
        secret.post_json("x", {})
    assert KEY not in str(failure.value)


@pytest.mark.parametrize("url", ["ftp://host/v1", "host/v1", "", "http://", "http://[::1"])
def test_wrong_addresses(url):
    with pytest.raises(SettingsError, match="base URL"):
        JsonEndpoint(url, None, 1)


def test_a_key_that_cannot_be_sent_is_not_shown():
    with pytest.raises(SettingsError) as refusal:
        JsonEndpoint("http://host", "sk-\nsecret\N{SNOWMAN}", 1)
    assert "secret" not in str(refusal.value)


def test_settings_come_before_the_environment(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    settings = {"spec": "openai:m", "languages": ("fr",)}
    with pytest.raises(SettingsError, match="OPENAI_API_KEY"):
        JsonEndpoint.from_settings(GeneratorSettings(**settings))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-environment")
    assert JsonEndpoint.from_settings(GeneratorSettings(**settings)).address == DEFAULT_BASE_URL
    with serve(answers((200, {}, {}))) as script:
        monkeypatch.setenv("OPENAI_BASE_URL", script.url)
        JsonEndpoint.from_settings(GeneratorSettings(**settings)).post_json("x", {})
        JsonEndpoint.from_settings(GeneratorSettings(**settings, api_key="sk-given")).post_json("x", {})
        monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere.invalid")
        JsonEndpoint.from_settings(GeneratorSettings(**settings, base_url=script.url)).post_json("x", {})
    sent = [headers["Authorization"] for headers in script.headers]
    assert sent == ["Bearer sk-of-environment", "Bearer sk-given", "Bearer sk-of-environment"]


def test_all_threads_share_one_client_which_is_closed_with_its_endpoint(monkeypatch):
    made, create = [], httpx.Client

    def slowly(**options):
        time.sleep(0.05)
        made.append(create(**options))
        return made[-1]

    monkeypatch.setattr(httpx, "Client", slowly)
    with serve(answers((200, {}, {"data": 1}))) as script, ThreadPoolExecutor(8) as pool:
        endpoint = endpoint_of(script)
        assert list(pool.map(endpoint.post_json, ["models"] * 8, [{}] * 8)) == [{"data": 1}] * 8
    assert len(made) == 1
    assert not made[0].is_closed
    del endpoint
    gc.collect()
    assert made[0].is_closed
