"""What is printed is what was meant: brackets are no markup, colons no emoji, braces no places to fill in."""

from __future__ import annotations

import pytest
from rich.console import Console

from xqg import console
from xqg.fusion.pieces import Piece, PieceKind
from xqg.records import Hit, Passage
from xqg.search.searcher import Explanation

HOSTILE = "\x1b[31m\x1b]8;;http://evil\x07 \x9b2J [red] [/x] [link=http://evil]x[/link]"
TEXT = 'pip install "xqg[hf]" [bold]{task.total} :smile: [/]'


def test_a_table_keeps_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_table(f"title {TEXT}", ["what", f"head {TEXT}"], [["extra hf", f"cell {TEXT}"]])
    printed = capsys.readouterr().out
    assert all(f"{place} {TEXT}" in printed for place in ("title", "head", "cell"))


def test_hits_keep_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    hit = Hit(1, 0.5, Passage(id=f"id {TEXT}", title=f"title {TEXT}", text=f"text {TEXT}"))
    piece = Piece(PieceKind.QUERY, f"closest {TEXT}", "fr", whole=True, viewed=False)
    console.print_hits(f"query {TEXT}", [hit], [Explanation(piece, 0.9)])
    printed = capsys.readouterr().out
    assert all(f"{place} {TEXT}" in printed for place in ("id", "title", "text", "query", "closest"))


@pytest.mark.parametrize("display", [console.count_display, console.live_display], ids=["bar", "status"])
def test_a_live_line_keeps_brackets(
    display: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a terminal: a bar with its name, or a line of text."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm")
    assert Console(stderr=True).is_terminal
    if display is console.count_display:
        with console.count_display(False, TEXT) as count:
            count(1, 2)
    else:
        with console.live_display(False, str) as tell:
            tell(TEXT)
    assert TEXT in capsys.readouterr().err


def test_nothing_that_is_printed_moves_the_cursor(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for colours in ("0", "1"):
        monkeypatch.setenv("FORCE_COLOR", colours)
        monkeypatch.setenv("COLUMNS", "300")
        console.print_table(HOSTILE, [HOSTILE], [[HOSTILE]])
        hit = Hit(1, 0.5, Passage(id=HOSTILE, title=HOSTILE, text=HOSTILE))
        piece = Piece(PieceKind.QUERY, HOSTILE, "fr", whole=True, viewed=False)
        console.print_hits(HOSTILE, [hit], [Explanation(piece, 0.9)])
        console.print_lines(HOSTILE)
        console.print_json({HOSTILE: [HOSTILE]})
        printed = capsys.readouterr().out
        assert "[red] [/x] [link=http://evil]x[/link]" in printed
        assert not any(sign in printed for sign in ("\x1b[31m", "\x1b]8", "\x07", "\x9b"))
