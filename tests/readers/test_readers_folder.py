"""Folders of texts and Markdown: titles, front matter, and what lies in a folder beside files."""

import datetime
import os
import sys
import unicodedata
from pathlib import Path

import pytest

from tests.readers.test_readers import SETTINGS, EchoDetector, passage, read
from tests.readers.test_readers_mended import corpus_of
from xqg.errors import InputError
from xqg.readers import lines
from xqg.readers.folder import split_front_matter
from xqg.readers.sources import check_source
from xqg.records import Reject
from xqg.settings import ReaderSettings


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def page(folder, name, text, **others):
    where = f"{folder.parent.name}/{folder.name}/{name}"
    return passage(name, text, **{**others, "metadata": {**others.get("metadata", {}), "source": where}})


def test_folder_of_texts(tmp_path):
    files = {
        "b.txt": "Plain.",
        "a/z.md": "intro\n```\n# a comment\n```\n## Real *heading* ##\n# later",
        "a/b/c.MD": "no heading #here",
        "a/under.markdown": "text\n\nLined\nunder\n=====\n\nmore",
        "a.txt": "\ufeffMarked.",
        ".hidden.txt": "x",
        ".git/x.txt": "x",
        "a/skipped.pdf": "x",
    }
    write(tmp_path, files)
    assert read(tmp_path) == [
        page(tmp_path, "a/b/c.MD", "no heading #here", title="c"),
        page(tmp_path, "a/under.markdown", files["a/under.markdown"], title="Lined under"),
        page(tmp_path, "a/z.md", files["a/z.md"], title="Real *heading*"),
        page(tmp_path, "a.txt", "Marked.", title="a"),
        page(tmp_path, "b.txt", "Plain.", title="b"),
    ]


def test_front_matter_of_pages(tmp_path):
    write(
        tmp_path,
        {
            "de.md": '---\r\ntitle: "Öffnungszeiten"\r\nlanguage: de\r\ntags: [a, b]\r\nid: 7\r\n---\r\n\r\nText.\r\n',
            "no.md": "---\nlang: no\ntitle:\n---\n# From the *heading*\n",
            "toml.md": '+++\ntitle = "Parking"\nlocale = "pt-BR"\nday = 2025-03-01\n+++\nGuests.\n',
            "bad.md": "---\ntitle: Foo: bar\nother: 'x'\n---\nText.\n",
            "number.md": "---\ntitle: 404\nversion: 1.10\nlanguage: klingon\n---\nText.\n",
            "rule.md": "---\n\nOnly a rule.\n\n---\n\nMore.\n",
            "plain.txt": "---\ntitle: no\n---\nText.\n",
        },
    )
    found = {item.id: item for item in read(tmp_path, ReaderSettings(), EchoDetector())}
    source = {name: f"{tmp_path.parent.name}/{tmp_path.name}/{name}" for name in found}
    assert {name: (item.title, item.language, item.text, item.metadata) for name, item in found.items()} == {
        "bad.md": ("Foo: bar", "cy", "Text.\n", {"other": "x", "source": source["bad.md"]}),
        "de.md": ("Öffnungszeiten", "de", "\r\nText.\r\n", {"tags": ["a", "b"], "id": 7, "source": source["de.md"]}),
        "no.md": ("From the *heading*", "no", "# From the *heading*\n", {"source": source["no.md"]}),
        "number.md": ("404", "cy", "Text.\n", {"version": "1.10", "source": source["number.md"]}),
        "plain.txt": ("plain", "cy", "---\ntitle: no\n---\nText.\n", {"source": source["plain.txt"]}),
        "rule.md": ("rule", "cy", "---\n\nOnly a rule.\n\n---\n\nMore.\n", {"source": source["rule.md"]}),
        "toml.md": ("Parking", "pt", "Guests.\n", {"day": "2025-03-01", "source": source["toml.md"]}),
    }


@pytest.mark.parametrize(
    ("content", "values", "text"),
    [
        ("---\n---\nx", {}, "x"),
        ("---\n# a comment\nn: 1\nf: 1.5\nb: true\ny: yes\nz: null\nd: 2025-03-01\nt: 12:30\n---\nx",
         {"n": 1, "f": 1.5, "b": True, "y": "yes", "z": None, "d": "2025-03-01", "t": "12:30"}, "x"),
        ("---\na:\n  b: [1, {c: d}]\n...\nx", {"a": {"b": [1, {"c": "d"}]}}, "x"),
        ("--- \ntitle: >\n  two\n  lines\n---\n", {"title": "two lines\n"}, ""),
        ("+++\nd = 2025-03-01\n[a]\nb = [1.0, true]\n+++\nx",
         {"d": datetime.date(2025, 3, 1), "a": {"b": [1.0, True]}}, "x"),
        ("---\n- a\n- b\n---\nx", {}, "---\n- a\n- b\n---\nx"),
        ("---\nno end", {}, "---\nno end"),
        (" ---\na: b\n---\nx", {}, " ---\na: b\n---\nx"),
        ("+++\n= =\n+++\nx", {}, "+++\n= =\n+++\nx"),
        ("---\na: " + "b" * 2**14 + "\n---\nx", {}, "---\na: " + "b" * 2**14 + "\n---\nx"),
    ],
)  # fmt: skip
def test_splitting_front_matter(content, values, text):
    front = split_front_matter(content)
    assert (front.values, front.text, front.damaged) == (values, text, False)


def test_a_few_lines_of_front_matter_cannot_stand_for_gigabytes():
    front = split_front_matter("---\na: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\ntitle: T\n---\nx")
    assert front.damaged
    assert front.values["title"] == "T"


@pytest.mark.parametrize("opening_mark", ["[", "{a: ", "- ", "? ", '"', "!", "&a ", "a:\n "])
def test_hostile_front_matter_is_text_or_read_line_by_line(opening_mark):
    content = f"---\n{opening_mark * 3000}\n---\nx"
    assert split_front_matter(content).text in (content, "x")


def test_names_of_files_are_composed(tmp_path):
    write(tmp_path, {unicodedata.normalize("NFD", "Über/café.md"): "# A\n\ntext"})
    assert [item.id for item in read(tmp_path)] == [unicodedata.normalize("NFC", "Über/café.md")]


def test_folder_rejects_name_the_file(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"caf\xe9")
    (tmp_path / "b.md").write_text(" \n")
    (tmp_path / "c.txt").symlink_to(tmp_path / "nowhere")
    (tmp_path / "d.md").write_text("---\ntitle: only this\n---\n")
    bad = read(tmp_path)
    assert [(item.file, item.line, item.reason) for item in bad] == [
        (str(tmp_path / "a.txt"), 1, "not UTF-8: 0xe9 at byte 4"),
        (str(tmp_path / "b.md"), 1, "text is blank"),
        (str(tmp_path / "c.txt"), 1, "the file cannot be read: No such file or directory"),
        (str(tmp_path / "d.md"), 1, "text is empty"),
    ]
    assert bad[0].record == {"id": "a.txt", "text": "caf\udce9"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_pipes_and_links_to_folders_are_told_and_never_waited_for(tmp_path):
    write(tmp_path, {"a.md": "# A\n\ntext", "below/b.md": "# B"})
    os.mkfifo(tmp_path / "p.md")
    (tmp_path / "q.txt").symlink_to(tmp_path / "below")
    found = read(tmp_path)
    assert [item for item in found if isinstance(item, Reject)] == [
        Reject(str(tmp_path / name), 1, "it is no file but a pipe, a device or a folder", None)
        for name in ("p.md", "q.txt")
    ]
    with pytest.raises(InputError, match=r"p\.md is a pipe.*- < "):
        check_source(str(tmp_path / "p.md"), ReaderSettings(format="jsonl"))


@pytest.mark.skipif(sys.platform != "linux", reason="names in bytes")
def test_names_that_are_not_utf8_are_told(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.md")).write_text("# A\n\ntext")
    (tmp_path / "ok.md").write_text("# B\n\ntext")
    bad, good = corpus_of(tmp_path)
    assert bad.reason == "id has a lone surrogate: U+DCE9 at character 4"
    assert good.id == "ok.md"
    twice = tmp_path / os.fsdecode(b"twice\xe9.jsonl")
    twice.write_text('{"id": 1, "text": "x"}\n{"id": 1.0, "text": "y"}\n')
    good, bad = corpus_of(twice)
    assert (good.id, bad.reason) == ("1", f"duplicate id '1', first seen at {twice}:1")


def test_very_deep_folders_are_read(tmp_path, monkeypatch):
    (tmp_path / "keep").write_text("")
    monkeypatch.chdir(tmp_path)
    for _ in range(1500):  # more than Python lets functions call each other; a path of 3,000 characters
        Path("d").mkdir()
        os.chdir("d")
    Path("x.md").write_text("# Deep")
    os.chdir(tmp_path)
    (found,) = read(".")
    Path(found.id).unlink()
    os.removedirs("d/" * 1500)  # nobody else can remove them
    assert found.title == "Deep"
    assert found.id == "d/" * 1500 + "x.md"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "An empty name"),
        ("x\x00y", "cannot be read: embedded null byte"),
        ("a" * 300 + ".jsonl", "a{255}… cannot be read: File name too long"),
        ("file.jsonl/x.jsonl", "cannot be read: Not a directory"),
        ("loop.jsonl", "cannot be read: .*symbolic links"),
        ("/dev/zero", "/dev/zero is a device"),
    ],
)
def test_names_that_lead_nowhere(tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.jsonl").write_text("{}")
    (tmp_path / "loop.jsonl").symlink_to(tmp_path / "loop.jsonl")
    with pytest.raises(InputError, match=message):
        check_source(name, ReaderSettings(format="jsonl"))


def test_a_folder_that_may_not_be_read(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match="cannot be read: the folder cannot be read: Permission denied"):
        check_source(str(tmp_path), SETTINGS)
    assert read(tmp_path) == [Reject(str(tmp_path), 1, "the folder cannot be read: Permission denied", None)]


def test_standard_input_that_is_closed(monkeypatch):
    monkeypatch.setattr(lines.sys, "stdin", None)
    with pytest.raises(InputError, match="Standard input is closed"):
        read("-")
