"""The page in a real Chromium, where Playwright and a Chromium are installed: every flow, by keyboard too."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api")
uvicorn = pytest.importorskip("uvicorn")

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")

MARKUP = "<img src=x onerror=\"document.title='broken'\"> battery of the lamp."
PASSAGES = [
    {"id": "a", "title": "<b>battery</b>", "text": MARKUP, "language": "en"},
    {"id": "b", "title": "invoice", "text": "Where the invoice is sent.", "language": "en"},
    {"id": "", "text": "no id"},
]
QUESTIONS = [
    {"query": "battery ?", "language": "fr", "passage_id": "a"},
    {"query": "invoice", "language": "ja", "passage_id": "b"},
]


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    import xqg.service.parts as parts
    from tests.service.serving import build
    from xqg.service.server import server_config

    monkeypatch.setattr(parts, "build_encoder", parts.build_encoder)
    server = uvicorn.Server(server_config(build(tmp_path / "data", 0.05)))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        threading.Event().wait(0.02)
    host, port = server.servers[0].sockets[0].getsockname()
    yield f"http://{host}:{port}/"
    server.should_exit = True
    thread.join(20)


@pytest.fixture
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as engine:
        started = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


def lines(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def faults(page: Any) -> list[str]:
    """What axe-core finds that is serious or worse, where it is installed."""
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError:
        return []
    found = Axe().run(page).response["violations"]
    return [one["help"] for one in found if one["impact"] in ("serious", "critical")]


@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (360, "dark")])
def test_every_flow(address: str, browser: Any, tmp_path: Path, width: int, scheme: str) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.get_by_text("ready", exact=True).wait_for()

    page.get_by_label("New collection").focus()  # by keyboard alone
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Ask help").wait_for()
    page.set_input_files("#file", lines(tmp_path / "passages.jsonl", PASSAGES))
    page.get_by_text("2 stored, 0 unchanged, 1 rejected").wait_for()
    page.get_by_text("1 rejected record", exact=True).press("Enter")
    page.get_by_text("line 3: ").wait_for()

    page.get_by_label("A question in any language").fill("where is the battery of my lamp?")
    page.keyboard.press("Enter")
    page.get_by_text("The question is in English.").wait_for()
    page.get_by_role("heading", name="Plain vectors").wait_for()
    assert page.locator("#results h3").all_inner_texts() == ["Plain vectors", "xqg"]
    first = page.locator("#results > div:nth-child(2) .hit").first
    assert first.locator("button").inner_text() == "<b>battery</b>"
    assert "matched" in first.inner_text()
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/page-{width}-{scheme}.png", full_page=True)
    first.locator("button").press("Enter")
    page.get_by_role("dialog").get_by_role("heading", name="Sentences").wait_for()
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/passage-{width}-{scheme}.png")
    page.keyboard.press("Escape")
    assert not page.get_by_role("dialog").is_visible()

    page.set_input_files("#questions", lines(tmp_path / "questions.jsonl", QUESTIONS))
    page.get_by_role("img", name="R@1 by language").wait_for()
    assert page.locator("#measured td").first.inner_text() == "1"
    page.get_by_role("button", name="Show some").press("Enter")
    page.locator("#passages button").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.title() == "xqg"
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/all-{width}-{scheme}.png", full_page=True)
    assert faults(page) == []
    assert said == []
    assert all(url.startswith(address) for url in asked)
