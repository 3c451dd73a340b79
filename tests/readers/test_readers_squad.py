"""SQuAD's format: where its questions stand, and files that are none."""

import json

import pytest

from xqg.errors import InputError
from xqg.readers.squad import read_squad


def question(key, **fields):
    return {"id": key, "question": f"{key}?", "answers": [], **fields}


def test_each_question_has_its_line_and_its_language(tmp_path):
    path = tmp_path / "some.de.json"
    paragraphs = [
        {"context": "One.", "qas": [question("b"), question("a", lang="fra"), question(7.0)]},
        {"context": "Two.", "qas": [question("é"), question("after")]},
    ]
    path.write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}, indent=0, ensure_ascii=False))
    found = [item for paragraph in read_squad([path]) for item in paragraph.questions]
    assert [(item.id, item.language) for item in found] == [
        ("b", "de"), ("a", "fr"), ("7", "de"), ("é", "de"), ("after", "de"),
    ]  # fmt: skip
    lines = path.read_text().split("\n")
    for item in found[:3]:
        assert f'"id": {json.dumps(item.record["id"])}' in lines[item.line - 1]


@pytest.mark.parametrize("content", ["[" * 100_000, '{"data": 1}', "{", '{"data": [{"paragraphs": [{"context": 1}]}]}'])
def test_what_is_no_such_file(tmp_path, content):
    (tmp_path / "x.de.json").write_text(content)
    with pytest.raises(InputError, match="is no SQuAD-format file"):
        list(read_squad([tmp_path / "x.de.json"]))
