"""JSON as a whole: arrays, values one after the other, and files that end too early."""

import gzip
import json

import pytest

from tests.readers.test_readers import passage, read
from tests.readers.test_readers_rejects import CUT_OFF
from xqg.readers import jsonl, lines
from xqg.readers.jsonl import JsonText, PlacedObject, read_json_texts, read_objects
from xqg.records import Reject
from xqg.settings import ReaderSettings

RECORDS = [{"id": 1, "text": 'a "b", [c] {d} \\'}, {"id": "2", "text": "é\u2028x", "tags": ["x", {"y": []}]}]
PASSAGES = [passage("1", 'a "b", [c] {d} \\'), passage("2", "é\u2028x", metadata={"tags": ["x", {"y": []}]})]


@pytest.fixture(params=[1, 7, 2**16], autouse=True)
def read_bytes(request, monkeypatch):
    monkeypatch.setattr(jsonl, "READ_BYTES", request.param)


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(RECORDS),
        json.dumps(RECORDS, ensure_ascii=False, indent=2),
        "\ufeff \n" + json.dumps(RECORDS),
        json.dumps(RECORDS)[:-1] + ", ]",
        "".join(json.dumps(record) + "\n" for record in RECORDS),
        "".join(json.dumps(record, indent=1) for record in RECORDS),
        ",\n".join(map(json.dumps, RECORDS)),
        "".join(json.dumps([record]) for record in RECORDS),
    ],
    ids=["array", "indented", "marked", "comma", "lines", "indented one by one", "without brackets", "two arrays"],
)
def test_json_files(tmp_path, content):
    (tmp_path / "c.json").write_text(content, encoding="utf-8")
    (tmp_path / "c.json.gz").write_bytes(gzip.compress(content.encode()))
    assert read(tmp_path / "c.json") == read(tmp_path / "c.json.gz") == PASSAGES
    (tmp_path / "c.data").write_text(content, encoding="utf-8")
    assert read(tmp_path / "c.data", ReaderSettings(format="json", language="en")) == PASSAGES


def test_a_record_with_a_fault_takes_no_other_with_it(tmp_path):
    source = tmp_path / "c.json"
    source.write_bytes(
        b'[{"id": "a", "text": "1"},\n {"id": "b" "text": 2},\n\n {"id": "c", "text": "caf\xe9"},'
        b' {"id": "d"}, 7,\n {"id": "e", "text": "5"}]'
    )
    first, *bad, last = read(source)
    assert (first, last) == (passage("a", "1"), passage("e", "5"))
    assert bad == [
        Reject(str(source), 2, "not JSON: Expecting ',' delimiter at character 12", '{"id": "b" "text": 2}'),
        Reject(str(source), 4, "not UTF-8: 0xe9 at byte 25", '{"id": "c", "text": "caf\udce9"}'),
        Reject(str(source), 4, "text is missing: no field 'text', found 'id'", {"id": "d"}),
        Reject(str(source), 4, "not a JSON object but a number", 7),
    ]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("", []),
        ("[]", []),
        ("[", [JsonText(1, "", "the file ends before its array does")]),
        ('[{"a":1}', [JsonText(1, '{"a":1}'), JsonText(1, "", "the file ends before its array does")]),
        ('[{"a":1},\n', [JsonText(1, '{"a":1}'), JsonText(2, "", "the file ends before its array does")]),
        ('[{"a":1},\n{"b":', [JsonText(1, '{"a":1}'), JsonText(2, '{"b":', "the file ends inside the record")]),
        ('{"a":"x', [JsonText(1, '{"a":"x', "the file ends inside the record")]),
        ("[1,,2]", [JsonText(1, "1"), JsonText(1, "2")]),
        ('"x\ny"\n{"a":1}', [JsonText(1, '"x\ny"'), JsonText(3, '{"a":1}')]),
        ('{"a": }}\n{"b":1}', [JsonText(1, '{"a": }'), JsonText(1, "}"), JsonText(2, '{"b":1}')]),
    ],
)
def test_where_records_end(tmp_path, content, found):
    (tmp_path / "c.json").write_text(content)
    assert list(read_json_texts(str(tmp_path / "c.json"))) == found


def test_a_record_that_is_too_long_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 100)
    monkeypatch.setattr(lines, "KEPT_BYTES", 10)
    (tmp_path / "c.json").write_text(json.dumps([{"a": ["x" * 20] * 20}, {"b": 1}]))
    long, short = read_json_texts(str(tmp_path / "c.json"))
    assert (long.text, short.text) == ('{"a": ["xx', '{"b": 1}')
    assert long.fault == "the record is longer than 100 characters; only its beginning is kept"


def test_a_damaged_gz_file_gives_what_stands_before_the_damage(tmp_path):
    source = tmp_path / "c.json.gz"
    source.write_bytes(gzip.compress(b'[{"id": "a", "text": "1"},') + gzip.compress(b'{"id": "b"}' * 50)[:20])
    found = read(source)
    assert found[0] == passage("a", "1")
    assert found[-1].reason == f"the rest of the file cannot be read: {CUT_OFF}"


def test_objects_for_queries_are_read_from_arrays_too(tmp_path):
    (tmp_path / "q.json").write_text('[{"a": NaN},\n 3]')
    first, second = read_objects(str(tmp_path / "q.json"))
    assert isinstance(first, PlacedObject)
    assert first.line == 1
    assert second == Reject(str(tmp_path / "q.json"), 2, "no JSON object", 3)
