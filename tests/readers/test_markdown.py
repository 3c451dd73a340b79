"""Markdown: its blocks, its first heading, and chunks in which nothing stands that cannot be understood alone."""

import random

import pytest

from xqg.readers.corpus import WINDOW_CHARACTERS, Chunker
from xqg.readers.markdown import BlockKind, first_heading, looks_like_markdown, parse_blocks
from xqg.records import Passage
from xqg.settings import ReaderSettings

LIMIT = 24


def count_words(text):
    return len(text.split())


def chunks_of(text, limit=LIMIT, overlap=0, name="page.md"):
    settings = ReaderSettings(chunk_tokens=limit, chunk_overlap=overlap, language="en")
    return [chunk.text for chunk in Chunker(count_words, settings).chunk(Passage(name, text))]


def words(first, last):
    return " ".join(f"w{number}" for number in range(first, last))


@pytest.mark.parametrize(
    ("text", "heading"),
    [
        ("# One", "One"),
        ("text\n\n  ### Two ###\n# Later", "Two"),
        ("Lined\n=====", "Lined"),
        ("Two\nlines\n---\n", "Two lines"),
        ("#\n\n# Second", "Second"),
        ("```\n# code\n```\n    # code\n\n# Real", "Real"),
        ("~~~\n# never closed", None),
        ("> # quoted\n\n- # in a list", None),
        ("#no\n\n---\n\n| a |\n|---|", None),
        ("<!-- \n# a comment\n-->\n\n# Real", "Real"),
        ("", None),
    ],
)
def test_the_first_heading(text, heading):
    assert first_heading(text) == heading


def test_the_blocks_are_the_text():
    text = "a\n\n# H\r\n\r\n| a |\n|---|\n| b |\n\n```x\n# c\n```\n[l]: u\n\n- i\n\n  j\n"
    blocks = parse_blocks(text)
    assert [(block.kind, block.lines[0].strip()) for block in blocks] == [
        (BlockKind.TEXT, "a"),
        (BlockKind.HEADING, "# H"),
        (BlockKind.TABLE, "| a |"),
        (BlockKind.CODE, "```x"),
        (BlockKind.TEXT, "[l]: u"),
        (BlockKind.TEXT, "- i"),
    ]
    pieces = ["# a", "\n", "\r\n", "\r", "```", "| a | b |", "|---|---|", "- x", "> q", "text", "    ", "\t", "[a]: b"]
    draw = random.Random(1)
    for _ in range(300):
        made = "".join(
            draw.choice([*pieces, "\x0b", "\u2028", "<div>", "===", "---"]) for _ in range(draw.randrange(30))
        )
        assert "".join(block.text for block in parse_blocks(made)) == made


def test_a_heading_stays_with_what_follows_it():
    text = f"# Top\n\n## First\n\n{words(0, 19)}\n\n## Second\n\n{words(20, 45)}\n\n### Third\n\n{words(50, 70)}\n"
    assert chunks_of(text) == [
        f"# Top\n\n## First\n\n{words(0, 19)}",  # 23 words
        f"## Second\n\n{words(20, 42)}",  # 24, of which two are the heading
        words(42, 45),
        f"### Third\n\n{words(50, 70)}",
    ]


def test_small_sections_share_a_chunk_as_long_as_they_fit_whole():
    text = "".join(f"# H{number}\n\n{words(0, 6)}\n\n" for number in range(4))  # 8 words each
    assert [chunk.count("#") for chunk in chunks_of(text)] == [3, 1]


def test_headings_at_the_end_are_not_left_alone():
    text = f"# A\n\n{words(0, 22)}\n\n# End\n\n## Very end\n"
    assert chunks_of(text)[-1].startswith("w")
    assert chunks_of(text)[-1].endswith("# End\n\n## Very end")
    assert max(map(count_words, chunks_of(text))) <= LIMIT
    assert chunks_of("# A\n\n" * 30)[0].startswith("# A\n\n# A")


ROWS = [f"| r{number} | unit | {words(0, 3)} |" for number in range(12)]  # 9 words a row
TABLE = "\n".join(["| name | unit | text |", "|---|---|---|", *ROWS])  # 8 words of header


def test_every_part_of_a_table_has_its_header_row_and_heading():
    chunks = chunks_of(f"## Limits\n\nIntro.\n\n{TABLE}\n\nOutro.\n", limit=40)
    header = "| name | unit | text |\n|---|---|---|\n"
    assert chunks[0].startswith(f"## Limits\n\nIntro.\n\n{header}| r0")
    assert all(chunk.startswith(f"## Limits\n\n{header}") for chunk in chunks[1:-1])
    rows = [line for chunk in chunks for line in chunk.split("\n") if line.startswith("| r")]
    assert rows == ROWS
    assert max(map(count_words, chunks)) <= 40
    assert chunks[-1].endswith("Outro.")


def test_a_table_without_a_heading_and_in_a_text_that_is_no_file(tmp_path):
    chunks = chunks_of(TABLE, name="record 7")
    assert len(chunks) == 12
    assert all(chunk.startswith("| name | unit | text |\n|---|---|---|\n| r") for chunk in chunks)


def test_code_stays_whole_or_in_fences():
    code = "\n".join(f"    line {number}" for number in range(20))  # 2 words a line
    fenced = f"```python\n{code}\n```"
    whole = f"# A\n\n{words(0, 15)}\n\n{fenced}\n\n{words(20, 30)}"
    assert chunks_of(whole, limit=45)[1] == fenced  # 42 words
    chunks = chunks_of(f"# A\n\n{fenced}\n")
    assert chunks[0].startswith("# A\n\n```python\n    line 0\n")
    assert all(chunk.count("```") == 2 and chunk.endswith("\n```") for chunk in chunks)
    assert all(chunk.startswith("```python\n    line") for chunk in chunks[1:])
    lines = [line for chunk in chunks for line in chunk.split("\n") if "line" in line]
    assert "\n".join(lines) == code
    assert max(map(count_words, chunks)) <= LIMIT


@pytest.mark.parametrize("cut", [words(0, 60), "\n".join(f"- {words(0, 3)}" for _ in range(15)), TABLE])
def test_a_block_that_was_cut_stays_apart_from_the_next(cut):
    assert chunks_of(f"## A\n\n{cut}\n\nOutro.\n", limit=50)[-1].endswith(f"{cut[-3:]}\n\nOutro.")


def test_code_that_is_never_closed_and_lines_that_are_too_long():
    chunks = chunks_of(f"~~~\n{words(0, 50)}\n{words(50, 52)}")
    assert all(chunk.startswith("~~~\n") and chunk.endswith("\n~~~") for chunk in chunks)
    assert " ".join(chunks).replace("~~~", "").split() == words(0, 52).split()
    wide = f"| a |\n|---|\n| {words(0, 60)} |\n"
    assert all(chunk.startswith("| a |\n|---|\n") for chunk in chunks_of(wide))


def test_neighbours_within_a_section_share_whole_blocks():
    text = "# A\n\n" + "\n\n".join(words(number, number + 6) for number in range(0, 60, 6))
    chunks = chunks_of(text, overlap=8)
    assert [chunk.split()[0] for chunk in chunks[1:]] == ["w12", "w30", "w48"]
    assert chunks[1].split()[0] in chunks[0].split()
    without = chunks_of(text, overlap=5)
    assert sorted(" ".join(without).replace("# A", "").split()) == sorted(words(0, 60).split())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# Head", True),
        ("a\n  ## Head", True),
        ("a\n```\nb", True),
        ("|a|b|\n|---|:-:|\n", True),
        ("a | b\n--- | ---", True),
        ("#hash", False),
        ("a --- b | c", False),
        ("1. one\n- two", False),
    ],
)
def test_what_looks_like_markdown(text, expected):
    assert looks_like_markdown(text) is expected


class CountingTokens:
    """One token a character, and how many characters it was asked about."""

    def __init__(self):
        self.seen = 0

    def __call__(self, text):
        self.seen += len(text)
        return len(text)


@pytest.mark.parametrize("kind", ["text", "code", "table", "heading", "list"])
def test_texts_without_places_to_break_at_take_time_in_proportion(kind):
    made = {
        "text": lambda size: "x" * size,
        "code": lambda size: "```\n" + "x" * size,
        "table": lambda size: "|a|\n|---|\n|" + "x" * size,
        "heading": lambda size: "# " + "x" * size,
        "list": lambda size: "- " + "x" * size,
    }[kind]
    work = []
    for size in (2 * WINDOW_CHARACTERS, 8 * WINDOW_CHARACTERS):
        counter = CountingTokens()
        settings = ReaderSettings(chunk_tokens=384, chunk_overlap=48)
        chunks = Chunker(counter, settings).chunk(Passage("a.md", made(size)))
        assert sum(chunk.text.count("x") for chunk in chunks) >= size
        assert max(len(chunk.text) for chunk in chunks) <= 384
        work.append(counter.seen)
    assert work[1] < 5 * work[0]  # four times the text


def test_letters_keep_their_accents_where_a_text_is_cut():
    text = "e\u0301" * WINDOW_CHARACTERS
    chunks = Chunker(len, ReaderSettings(chunk_tokens=384, chunk_overlap=0)).chunk(Passage("a", text))
    assert "".join(chunk.text for chunk in chunks) == text
    assert all(chunk.text.startswith("e") for chunk in chunks)
