import gzip
import json
import logging

import pytest

from xqg.errors import InputError
from xqg.generators.file import FileGenerator
from xqg.readers import lines as lines_module
from xqg.records import Passage
from xqg.settings import GeneratorSettings

LINES = [
    {"passage_id": "a", "language": "fr", "query": "Un ?"},
    {"passage_id": "a", "language": "fr", "query": "Deux ?"},
    {"passage_id": "a", "language": "fr", "query": "deux ?"},
    {"passage_id": "a", "language": "fr", "query": "Trois ?"},
    {"passage_id": "doc", "language": "fr", "query": "Document ?"},
    {"passage_id": "doc#2", "language": "fr", "query": "Morceau ?"},
    {"passage_id": 7, "language": "ja", "query": "七？"},
]


def write(path, lines):
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return path


def generator_of(path, queries_per_language):
    return FileGenerator(GeneratorSettings(spec=f"file:{path}", queries_per_language=queries_per_language))


def texts(generation):
    return [(query.passage_id, query.language, query.text) for query in generation.queries]


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "queries.jsonl", LINES)


def test_first_queries_in_the_order_of_the_file_and_of_the_requests(path):
    generation = generator_of(path, 2).generate(
        [
            (Passage(id="7", text=""), ["fr", "ja"]),
            (Passage(id="a", text=""), ["fr"]),
            (Passage(id="b", text=""), ["fr"]),
        ]
    )
    assert texts(generation) == [("7", "ja", "七？"), ("a", "fr", "Un ?"), ("a", "fr", "Deux ?")]
    assert generation.dropped == {"duplicate": 1}


def test_queries_of_a_document_go_to_the_chunks_that_have_none(path):
    chunks = [Passage(id=f"doc#{number}", text="", document_id="doc", chunk=number, chunks=2) for number in (1, 2)]
    generation = generator_of(path, 5).generate([(chunk, ["fr"]) for chunk in chunks])
    assert texts(generation) == [("doc#1", "fr", "Document ?"), ("doc#2", "fr", "Morceau ?")]


def test_ids_and_languages_however_they_are_written(tmp_path):
    lines = [
        {"passage_id": 103.0, "language": "pt-BR", "query": "Um?"},
        {"passage_id": "103", "language": ["POR"], "query": "Dois?"},
        {"passage_id": "cafe\u0301.md", "language": "French", "query": "Où ?"},
    ]
    path = tmp_path / "queries.json"
    path.write_text(json.dumps(lines, indent=1))
    generator = generator_of(path, 5)
    assert generator.languages() == ("fr", "pt")
    requests = [(Passage("103", "", document_id="103"), ["pt"]), (Passage("cafe\u0301.md", ""), ["fr"])]
    assert texts(generator.generate(requests)) == [
        ("103", "pt", "Um?"),
        ("103", "pt", "Dois?"),
        ("cafe\u0301.md", "fr", "Où ?"),
    ]
    assert generator_of(write(tmp_path / "q.jsonl", lines), 5).identity == generator.identity


def test_what_is_too_long_for_a_query_and_for_memory(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(lines_module, "MAX_LINE_BYTES", 20_000)
    path = write(
        tmp_path / "queries.jsonl",
        [
            {"passage_id": "a", "language": "fr", "query": "x" * 10_001},
            {"passage_id": "a", "language": "fr", "query": "x" * 30_000},
            {"passage_id": "a", "language": "fr", "query": "x" * 10_000},
            *[{"passage_id": number, "language": "fr", "query": ""} for number in range(100)],
        ],
    )
    with caplog.at_level(logging.WARNING):
        (query,) = generator_of(path, 5).generate([(Passage("a", ""), ["fr"])]).queries
    assert query.text == "x" * 10_000
    (told,) = (record.getMessage() for record in caplog.records)
    assert told.startswith("102 lines are no queries")
    assert "the query is 10001 characters long, the limit is 10000" in told
    assert "the line is longer than 20000 bytes" in told
    assert told.endswith("and 97 more")


def test_what_is_left_over(path):
    generator = generator_of(path, 5)
    chunk = Passage("doc#2", "", document_id="doc", chunk=2, chunks=2)
    generator.meet([Passage("a", ""), chunk])
    assert generator.left_over() == (
        f"1 of 7 queries in {path} belong to no passage of this run: passage_id '7'; ids of passages are like 'a'"
    )
    generator.meet([Passage("7.0", "")])
    assert generator.left_over() is None


def test_languages_and_identity_of_the_content_not_of_the_packing(path, tmp_path):
    packed = tmp_path / "queries.jsonl.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert generator_of(packed, 1).languages() == ("fr", "ja")
    assert generator_of(packed, 1).identity == generator_of(path, 1).identity
    assert generator_of(path, 1).identity["kind"] == "file"
    other = write(tmp_path / "other.jsonl", LINES[:1])
    assert generator_of(other, 1).identity != generator_of(path, 1).identity


def test_bad_lines_are_counted_once_and_named(tmp_path, caplog):
    path = tmp_path / "queries.jsonl"
    good = json.dumps({"passage_id": "a", "language": "fr", "query": "Un ?"}).encode()
    bad = [b"{", b"[]", b'{"passage_id": "a"}', b'{"passage_id": "a", "language": "xx", "query": "?"}', b"\xff\xfe"]
    path.write_bytes(
        b"\n".join([b"\xef\xbb\xbf" + good, *bad, b"", b'{"passage_id":"a","language":"fr","query":"\\ud800"}'])
    )
    generator = generator_of(path, 5)
    with caplog.at_level(logging.WARNING):
        first = generator.generate([(Passage(id="a", text=""), ["fr"])])
        second = generator.generate([(Passage(id="a", text=""), ["fr"])])
    assert texts(first) == texts(second) == [("a", "fr", "Un ?")]
    assert (first.dropped, second.dropped) == ({"malformed": 6}, {})
    assert len(caplog.records) == 1
    for expected in ("6 lines", f"{path}:2:", f"{path}:5: Unknown language 'xx'", "and 1 more"):
        assert expected in caplog.text


@pytest.mark.parametrize("content", [None, b"", b"{\n", gzip.compress(b'{"passage_id"' * 100)[:-9]])
def test_a_file_without_any_query_is_refused(tmp_path, content):
    path = tmp_path / ("queries.jsonl.gz" if content and content[:1] == b"\x1f" else "queries.jsonl")
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"queries\.jsonl"):
        generator_of(path, 5).check()
