"""Records with a blemish are taken: what is stored instead, and what is told of it."""

import json
import logging
import math

import pytest

from tests.readers.test_readers import SETTINGS, EchoDetector, passage, read
from xqg.readers.corpus import Corpus
from xqg.readers.values import without_controls
from xqg.records import Passage
from xqg.settings import ReaderSettings


def corpus_of(*sources, settings=SETTINGS):
    return Corpus([str(source) for source in sources], settings, lambda text: len(text.split()), EchoDetector())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("o\x00ce", "o ce"),
        ("gate\x02 opens", "gate opens"),
        ("line\x00\nnext", "line\nnext"),
        ("\x01\x02start", "start"),
        ("end\x7f", "end"),
        ("a\x1b[1mb", "a [1mb"),
        ("a\x00\x01\x02b", "a b"),
        ("x\f\v\t\r\ny", "x\f\v\t\r\ny"),
        ("\x00" * 3, ""),
    ],
)
def test_control_characters_are_taken_out(text, expected):
    assert without_controls(text) == expected


@pytest.mark.parametrize("escaped", [True, False])
def test_control_characters_in_all_fields(tmp_path, escaped):
    record = {"id": "a", "text": "x\x00y", "title": "T\x1b[1m", "made\x01by": {"by": ["Scan\x00ner 2"]}}
    line = json.dumps(record) if escaped else json.dumps(record).replace("\\u0000", "\x00").replace("\\u001b", "\x1b")
    (tmp_path / "c.jsonl").write_text(line)
    assert read(tmp_path / "c.jsonl") == [
        passage("a", "x y", title="T [1m", metadata={"made by": {"by": ["Scan ner 2"]}})
    ]


def test_a_control_character_in_a_csv_file(tmp_path):
    (tmp_path / "c.csv").write_bytes(b"id,text\na,x\x00y\n")
    assert read(tmp_path / "c.csv") == [passage("a", "x y")]


def test_halves_of_characters(tmp_path):
    (tmp_path / "c.jsonl").write_text('{"id": "a", "text": "x\\ud83d", "title": "\\udc00", "\\ud800": ["\\udfff"]}')
    assert read(tmp_path / "c.jsonl") == [passage("a", "x\ufffd", title="\ufffd", metadata={"\ufffd": ["\ufffd"]})]


def test_missing_numbers_are_null_and_large_ones_strings(tmp_path):
    record = {
        "id": "a",
        "text": "t",
        "title": math.nan,
        "language": math.nan,
        "metadata": {"x": [1.5, math.nan, {"y": -math.inf}], "n": 2**63, "m": 2**63 - 1, "k": -(2**63), "b": True},
    }
    (tmp_path / "c.jsonl").write_text(json.dumps(record))
    assert read(tmp_path / "c.jsonl") == [
        passage(
            "a",
            "t",
            metadata={
                "x": [1.5, None, {"y": None}],
                "n": "9223372036854775808",
                "m": 9223372036854775807,
                "k": -9223372036854775808,
                "b": True,
            },
        )
    ]


@pytest.mark.parametrize("value", ["null", "NaN", '""', '" "', "Infinity"])
def test_metadata_that_holds_nothing(tmp_path, value):
    (tmp_path / "c.jsonl").write_text(f'{{"id": "a", "text": "t", "metadata": {value}}}')
    assert read(tmp_path / "c.jsonl") == [passage("a", "t")]


@pytest.mark.parametrize(
    ("title", "expected"), [(404, "404"), (404.0, "404"), (1.5, "1.5"), (None, ""), ("1.10", "1.10")]
)
def test_titles_that_are_numbers(tmp_path, title, expected):
    (tmp_path / "c.jsonl").write_text(json.dumps({"id": 1.0, "text": "t", "title": title}))
    assert read(tmp_path / "c.jsonl") == [passage("1", "t", title=expected)]


@pytest.mark.parametrize(
    ("fields", "language"),
    [
        ({"language": "eng"}, "en"),
        ({"language": ["xx", "pt-BR", "en"]}, "pt"),
        ({"language": "und"}, "cy"),
        ({"language": "tlh"}, "cy"),
        ({"language": {"code": "en"}}, "cy"),
        ({"language": 7}, "cy"),
        ({"lang": "fr"}, "fr"),
        ({"language": "unknown", "metadata": {"lang": "fr"}}, "fr"),
        ({"language": "de", "metadata": {"language": "fr"}}, "de"),
        ({"metadata": {"language": "python"}}, "cy"),
    ],
)
def test_where_a_language_may_stand(tmp_path, fields, language):
    (tmp_path / "c.jsonl").write_text(json.dumps({"id": "a", "text": "t", **fields}))
    (found,) = read(tmp_path / "c.jsonl", ReaderSettings())
    assert found.language == language


def test_what_was_changed_is_told_once_with_the_first_place(tmp_path, caplog):
    source = tmp_path / "c.jsonl"
    records = [
        {"id": 1, "text": "fine"},
        {"id": 2, "text": "a\x00b", "title": "\x01", "x": math.nan, "y": math.inf},
        {"id": 3, "text": "a\x00b", "language": "tlh"},
        {"id": 4, "text": "", "x": math.nan},
    ]
    source.write_text("".join(json.dumps(record) + "\n" for record in records))
    corpus = corpus_of(source)
    for _ in range(2):  # as where a sample is drawn first
        assert [item.id for item in corpus if isinstance(item, Passage)] == ["1", "2", "3"]
    with caplog.at_level(logging.WARNING):
        corpus.tell()
    assert [record.getMessage() for record in caplog.records] == [
        f"control characters are taken out: 2 records, the first at {source}:2",
        "NaN or infinite numbers are taken as missing, and stored as null in the metadata: 1 record, the first at "
        f"{source}:2",
        f"the language that is named is not known, and passed over: 1 record, the first at {source}:3",
    ]


def test_nothing_is_told_where_nothing_was_changed(tmp_path, caplog):
    (tmp_path / "c.jsonl").write_text('{"id": 1, "text": "fine"}')
    corpus = corpus_of(tmp_path / "c.jsonl")
    assert len(list(corpus)) == 1
    corpus.tell()
    assert caplog.records == []
