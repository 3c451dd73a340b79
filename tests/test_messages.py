"""Planted keys appear nowhere: not in errors, logs, tables or lines, however a message writes or cuts them."""

from __future__ import annotations

import html
import json
import logging
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from click.testing import CliRunner

from tests.endpoint import serve
from xqg import console
from xqg.cli import main
from xqg.errors import SettingsError, XqgError
from xqg.http import EndpointError, JsonEndpoint
from xqg.messages import brief, passwords, printable, redact
from xqg.settings import StoreSettings, validated

PLAIN = "sk-proj-abcDEF0123456789abcDEF0123456789abcDEF01234"
QUOTED = 'sk-"quoted"\\back\\slash\'s-<&>-0123456789'
KEYS = [PLAIN, QUOTED, "s3cr3t-8"]

WRITINGS = {
    "plain": str,
    "in JSON": json.dumps,
    "twice in JSON": lambda key: json.dumps(json.dumps({"error": key})),
    "in Python": repr,
    "in an address": lambda key: f"https://host/?key={quote(key, safe='')}",
    "in HTML": html.escape,
    "as a password": lambda key: f"HTTP://me:{key}@host/v1 refused",
    "in the middle of much": lambda key: "x" * 280 + key + "y" * 500,
}


def leaks(text: str, key: str) -> bool:
    """Whether twelve characters of the key (or all of a short one) can be read in the text."""
    size = min(12, len(key))
    return any(key[start : start + size] in text for start in range(len(key) - size + 1))


@pytest.mark.parametrize("writing", WRITINGS.values(), ids=WRITINGS)
@pytest.mark.parametrize("key", KEYS)
def test_a_given_secret_is_in_no_message(key: str, writing: object) -> None:
    text = f"The server said: {writing(key)} and more"  # type: ignore[operator]
    assert not leaks(redact(text, key), key)
    assert not leaks(brief(text, key), key)


@pytest.mark.parametrize("variable", ["OPENAI_API_KEY", "QDRANT_API_KEY", "HF_TOKEN"])
@pytest.mark.parametrize("writing", WRITINGS.values(), ids=WRITINGS)
def test_a_secret_of_the_environment_is_in_no_error_log_or_table(
    variable: str, writing: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, QUOTED)
    text = writing(QUOTED)  # type: ignore[operator]
    assert not leaks(str(XqgError(text, text, text)), QUOTED)
    console.set_up_logging(False, False)
    logging.getLogger("xqg").warning("seen: %s", text)
    console.print_lines(text)
    console.print_table(text, [text], [[text]])
    printed = capsys.readouterr()
    assert "seen:" in printed.err
    assert not leaks(printed.out + printed.err, QUOTED)


def test_the_rest_of_a_message_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "x")  # what people write where no key is needed
    assert redact("expected a text at http://localhost:6333/a@b") == "expected a text at http://localhost:6333/a@b"
    assert redact("http://me:pw@host:6333/v1, http://token@host") == "http://***@host:6333/v1, http://***@host"
    assert redact("https://me:p@ss/w#rd@host/") == "https://***@host/"


def test_passwords_of_addresses() -> None:
    assert passwords("https://me:p%40ss@host/v1", "http://token@host", "http://host", None) == (
        "p%40ss",
        "p@ss",
        "token",
    )


def test_a_long_message_is_cut_after_it_was_redacted() -> None:
    assert len(brief("word " * 1000)) <= 302
    cut_by_the_server = f"Incorrect API key provided: {PLAIN[:29]}"
    assert brief(cut_by_the_server, PLAIN) == "Incorrect API key provided: ***"


def test_redaction_is_linear() -> None:
    start = time.process_time()
    for text in (
        "://a:b" * 50_000,
        "://" * 100_000,
        "://" + "a" * 300_000,
        "@" * 300_000,
        PLAIN[:12] * 30_000,
        "\\" * 300_000,
    ):
        redact(text, PLAIN, QUOTED)
    assert time.process_time() - start < 10


@pytest.mark.parametrize("status", [200, 400, 401, 404, 500])
@pytest.mark.parametrize("writing", WRITINGS.values(), ids=WRITINGS)
def test_an_endpoint_that_gives_the_key_back(status: int, writing: object) -> None:
    bodies = (writing(QUOTED), {"error": {"message": writing(QUOTED), "code": QUOTED}}, {"detail": [writing(QUOTED)]})  # type: ignore[operator]
    for body in bodies:
        with serve(lambda _, body=body: (status, {}, body)) as script:
            address = script.url.replace("http://", f"http://me:{quote(PLAIN)}@")
            endpoint = JsonEndpoint(address, QUOTED, 5, sleep=lambda _: None)
            try:
                endpoint.post_json("x", {})
            except EndpointError as error:
                found = str(error) + error.words + repr(error)
                assert not leaks(found, QUOTED)
                assert not leaks(found, PLAIN)


def test_a_password_in_a_store_address_is_in_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    for scheme in ("http", "HTTP", "https", "ftp", "edge+http"):
        address = f"{scheme}://me:{PLAIN}@127.0.0.1:9/x"
        for command in (["doctor", "--store", address], ["show", "--store", address, "--collection", "c"]):
            result = CliRunner().invoke(main, command)
            assert not leaks(result.output + str(result.exception), PLAIN), (command, result.output)
        with pytest.raises(SettingsError) as refused:
            StoreSettings(spec=f"ftp://me:{PLAIN}@host", collection="c")
        assert not leaks(str(refused.value), PLAIN)
    settings = validated(StoreSettings, {"spec": "HTTP://Host:6333", "collection": "c"})
    assert settings.spec == "http://Host:6333"


def test_a_traceback_shows_no_key() -> None:
    code = (
        "import sys; from xqg.cli import _tell_of_bug; sys.excepthook = _tell_of_bug; "
        f"raise RuntimeError('http://me:{PLAIN}@host')"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert "RuntimeError: http://***@host" in result.stderr
    assert not leaks(result.stderr.split("RuntimeError:")[-1], PLAIN)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x1b]8;;http://evil\x07link", "\\x1b]8;;http://evil\\x07link"),
        ("\x9b31m", "\\x9b31m"),
        ("a\nb\tc\r\nd\u2028e", "a b c d e"),
        ("\u202eevil", "\\u202eevil"),
        ("日本語 é 👍🏽 \u200d", "日本語 é 👍🏽 \u200d"),
    ],
)
def test_what_a_terminal_gets(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert str(XqgError(text)) == f"{shown}."


def test_lines_stay_where_they_may() -> None:
    assert printable("a\nb\tc\x1b", keep_breaks=True) == "a\nb\tc\\x1b"
