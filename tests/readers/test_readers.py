"""Formats: what a well-formed source of each kind gives, and how a source is refused as a whole."""

import gzip
import io
import json
import sys
from types import SimpleNamespace

import pytest

from xqg.errors import InputError, SettingsError
from xqg.languages import CorpusLanguage, LanguageDetector
from xqg.readers.sources import check_source, read_records
from xqg.readers.values import Notes
from xqg.records import Passage, Reject
from xqg.settings import ReaderSettings

SETTINGS = ReaderSettings(language="en")


class EchoDetector(LanguageDetector):
    """Calls everything Welsh and remembers what it was asked."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def rank(self, text):
        self.asked.append(text)
        return {"cy": 0.0, "en": -100.0}


def read(source, settings=SETTINGS, detector=None):
    return list(read_passages(source, settings, detector))


def read_passages(source, settings=SETTINGS, detector=None):
    language = CorpusLanguage(EchoDetector() if detector is None else detector)
    for found in read_records(str(source), settings, language, Notes()):
        yield found if isinstance(found, Reject) else found.passage


def read_placed(source):
    return list(read_records(str(source), SETTINGS, CorpusLanguage(EchoDetector()), Notes()))


def passage(identifier, text, **others):
    return Passage(**{"id": identifier, "text": text, "language": "en", "metadata": {}, **others})


TWO_LINES = (
    b'{"id": "a", "text": "One.", "title": "First", "language": "de", "metadata": {"page": 3}}\n'
    b'{"id": 7, "text": " Two. "}\n'
)
TWO = [
    passage("a", "One.", title="First", language="de", metadata={"page": 3}),
    passage("7", " Two. "),
]


@pytest.mark.parametrize("name", ["c.jsonl", "c.ndjson", "C.JSONL"])
def test_json_lines(tmp_path, name):
    (tmp_path / name).write_bytes(TWO_LINES)
    assert read(tmp_path / name) == TWO


def test_byte_order_mark_crlf_blank_lines_and_no_last_newline(tmp_path):
    source = tmp_path / "c.jsonl"
    source.write_bytes(b"\xef\xbb\xbf" + TWO_LINES.replace(b"\n", b"\r\n\r\n  \r\n").rstrip())
    found = read_placed(source)
    assert [item.passage for item in found] == TWO
    assert [item.line for item in found] == [1, 4]


def test_lines_are_split_at_line_feeds_only(tmp_path):
    source = tmp_path / "c.jsonl"
    source.write_text('{"id": "a", "text": "one\u2028two\x85three"}\n', encoding="utf-8")
    assert read(source) == [passage("a", "one\u2028two\x85three")]


def test_gzip_with_two_members_and_padding(tmp_path):
    first, second = TWO_LINES.splitlines(keepends=True)
    source = tmp_path / "c.jsonl.gz"
    source.write_bytes(gzip.compress(first) + gzip.compress(second) + b"\x00" * 512)
    assert read(source) == TWO


def test_empty_files_hold_no_passages(tmp_path):
    (tmp_path / "c.jsonl").write_bytes(b"")
    (tmp_path / "marked.jsonl").write_bytes(b"\xef\xbb\xbf")
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(b""))
    assert [read(tmp_path / name) for name in ("c.jsonl", "marked.jsonl", "c.jsonl.gz")] == [[], [], []]


def test_unknown_keys_become_metadata_and_the_metadata_object_wins(tmp_path):
    source = tmp_path / "c.jsonl"
    source.write_text('{"id": "a", "text": "t", "url": "u", "page": 1, "metadata": {"page": 2}}\n')
    assert read(source) == [passage("a", "t", metadata={"url": "u", "page": 2})]


def test_field_names_from_settings(tmp_path):
    source = tmp_path / "c.jsonl"
    source.write_text('{"key": "a", "body": "t", "head": "h", "lang": "fr", "more": {"x": 1}, "id": 5}\n')
    settings = ReaderSettings(
        id_field="key", text_field="body", title_field="head", language_field="lang", metadata_field="more"
    )
    assert read(source, settings) == [passage("a", "t", title="h", language="fr", metadata={"id": 5, "x": 1})]


def test_language_is_the_records_own_then_that_of_the_settings_then_detected(tmp_path):
    source = tmp_path / "c.jsonl"
    records = [
        {"id": "a", "text": "t", "language": "ja"},
        {"id": "b", "text": "u" * 3000, "title": "Head"},
        {"id": "c", "text": "v", "language": ""},
    ]
    source.write_text("".join(json.dumps(record) + "\n" for record in records))
    assert [item.language for item in read(source, ReaderSettings(language="fr"))] == ["ja", "fr", "fr"]
    detector = EchoDetector()
    assert [item.language for item in read(source, ReaderSettings(), detector)] == ["ja", "cy", "cy"]
    assert set(detector.asked) == {"Head\n" + "u" * 995, "v"}


def test_the_real_detector(tmp_path):
    source = tmp_path / "c.jsonl"
    source.write_text('{"id": "a", "text": "Wo finde ich die Bedienungsanleitung für den Drucker?"}\n')
    assert [item.language for item in read(source, ReaderSettings(), LanguageDetector())] == ["de"]


CSV = 'id,text,title,page,metadata\na,"One, ""1""\r\nmore",First,3,"{""x"": [1]}"\r\n\r\nb,Two,,,\r\n'
CSV_PASSAGES = [
    passage("a", 'One, "1"\r\nmore', title="First", metadata={"page": "3", "x": [1]}),
    passage("b", "Two", metadata={"page": ""}),
]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_csv(tmp_path, mark):
    source = tmp_path / "c.csv"
    source.write_bytes(mark + CSV.encode())
    assert read(source) == CSV_PASSAGES
    assert [item.line for item in read_placed(source)] == [2, 5]


def test_csv_gz_and_tsv(tmp_path):
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress(CSV.encode()))
    assert read(tmp_path / "c.csv.gz") == CSV_PASSAGES
    (tmp_path / "c.tsv").write_text("text\tid\none, two\ta\n")
    assert read(tmp_path / "c.tsv") == [passage("a", "one, two")]


def test_csv_with_a_field_larger_than_the_usual_limit(tmp_path):
    source = tmp_path / "c.csv"
    source.write_text("id,text\na," + "x" * 300_000 + "\n")
    assert read(source) == [passage("a", "x" * 300_000)]


def test_csv_columns_are_checked_before_the_first_row(tmp_path):
    source = tmp_path / "c.csv"
    source.write_text("key;text\n1;2\n")
    with pytest.raises(SettingsError, match="no column 'id' for the id; its columns are 'key', 'text'"):
        check_source(str(source), SETTINGS)
    source.write_text("id,text\n1,2\n")
    check_source(str(source), SETTINGS)
    with pytest.raises(SettingsError, match="no column 'head' for the title; its columns are 'id', 'text'"):
        check_source(str(source), ReaderSettings(title_field="head"))
    source.write_text("id,text,x,x\n")
    with pytest.raises(SettingsError, match="several columns named 'x'"):
        check_source(str(source), SETTINGS)
    source.write_text("")
    with pytest.raises(InputError, match="is empty"):
        check_source(str(source), SETTINGS)
    source.write_bytes(b"id,text,caf\xe9\n")
    with pytest.raises(InputError, match="not UTF-8: 0xe9 at byte 12 of line 1"):
        check_source(str(source), SETTINGS)


@pytest.mark.parametrize("packed", [False, True])
def test_beir_folder(tmp_path, packed):
    corpus = b'{"_id": "d1", "title": "T", "text": "one", "metadata": {"url": "u"}}\n{"_id": "d2", "text": "two"}\n'
    if packed:
        (tmp_path / "corpus.jsonl.gz").write_bytes(gzip.compress(corpus))
    else:
        (tmp_path / "corpus.jsonl").write_bytes(corpus)
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "?"}\n')
    (tmp_path / "notes.txt").write_text("not a passage")
    assert read(tmp_path) == [passage("d1", "one", title="T", metadata={"url": "u"}), passage("d2", "two")]
    as_folder = read(tmp_path, ReaderSettings(format="folder", language="en"))
    where = {"source": f"{tmp_path.parent.name}/{tmp_path.name}/notes.txt"}
    assert as_folder == [passage("notes.txt", "not a passage", title="notes", metadata=where)]


def test_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(TWO_LINES + b"{\n")))
    found = read("-")
    assert found[:2] == TWO
    assert (found[2].file, found[2].line, found[2].record) == ("-", 3, "{")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"id\ttext\na\tt\n")))
    assert read("-", ReaderSettings(format="tsv", language="en")) == [passage("a", "t")]
    with pytest.raises(SettingsError, match="cannot be read as parquet"):
        read("-", ReaderSettings(format="parquet"))


@pytest.mark.parametrize(
    ("name", "form", "error", "message"),
    [
        ("missing.jsonl", "auto", InputError, "missing.jsonl does not exist"),
        ("c.docx", "auto", SettingsError, "format of .*c.docx cannot be told from its ending"),
        ("c.parquet.gz", "auto", SettingsError, "cannot be told from its ending"),
        ("empty", "auto", InputError, "empty holds no passages"),
        ("empty", "beir", InputError, "no corpus.jsonl or corpus.jsonl.gz"),
        ("empty", "jsonl", SettingsError, "empty is a folder"),
        ("c.docx", "folder", SettingsError, "c.docx is a file"),
        ("c.jsonl.gz", "auto", InputError, "c.jsonl.gz cannot be read: .*Not a gzipped file"),
        ("c.jsonl", "auto", InputError, "c.jsonl is UTF-16"),
    ],
)
def test_unusable_sources(tmp_path, name, form, error, message):
    (tmp_path / "c.docx").write_bytes(b"x")
    (tmp_path / "c.parquet.gz").write_bytes(b"x")
    (tmp_path / "c.jsonl.gz").write_bytes(b"this is not compressed")
    (tmp_path / "c.jsonl").write_bytes('{"id": 1}'.encode("utf-16"))
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "data.parquet").write_bytes(b"x")
    with pytest.raises(error, match=message):
        check_source(str(tmp_path / name), ReaderSettings(format=form))


def test_format_by_name_beats_the_ending(tmp_path):
    source = tmp_path / "export.data"
    source.write_bytes(TWO_LINES)
    assert read(source, ReaderSettings(format="jsonl", language="en")) == TWO
