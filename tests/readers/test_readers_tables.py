"""CSV and TSV as spreadsheets, databases and programs write them."""

import csv
import io
import sys
from types import SimpleNamespace

import pytest

from tests.readers.test_readers import SETTINGS, passage, read, read_placed
from xqg.errors import InputError, SettingsError
from xqg.readers.sources import check_source
from xqg.records import Passage, Reject
from xqg.settings import ReaderSettings

GATE, CANTEEN = "Hold your badge against the reader, for two seconds.", "The canteen is closed; come on Monday."


def table(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "content",
    [
        f'\ufeffid;text;section\r\ngate;{GATE};Access\r\ncanteen;"{CANTEEN}";Food\r\n',
        f'sep=;\r\nid;text;section\r\ngate;{GATE};Access\r\ncanteen;"{CANTEEN}";Food\r\n',
        f'\ufeff"sep=|"\nid|text|section\ngate|{GATE}|Access\ncanteen|{CANTEEN}|Food\n',
        f"id\ttext\tsection\ngate\t{GATE}\tAccess\ncanteen\t{CANTEEN}\tFood",
        f'id,text,section\rgate,"{GATE}",Access\rcanteen,{CANTEEN},Food\r',
        f'id, text, section\ngate, "{GATE}", Access\ncanteen, {CANTEEN}, Food\n',
        f'"id";"text";"section"\n"gate";"{GATE}";"Access"\n"canteen";"{CANTEEN}";"Food"\n',
        f'id,text,section,,\ngate,"{GATE}",Access,,\ncanteen,{CANTEEN},Food,,,,,\n',
        f'\n\n id ;text;section\ngate;"{GATE}";Access\n\n\ncanteen;"{CANTEEN}";Food\n',
    ],
    ids=["excel", "hint", "quoted hint", "tabs", "returns", "spaces", "all quoted", "empty columns", "blank lines"],
)
@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_delimiters_are_found(tmp_path, content, ending):
    source = table(tmp_path / f"c.{ending}", content)
    check_source(str(source), SETTINGS)
    assert read(source) == [
        passage("gate", GATE, metadata={"section": "Access"}),
        passage("canteen", CANTEEN, metadata={"section": "Food"}),
    ]


def test_a_delimiter_that_is_given(tmp_path):
    source = table(tmp_path / "c.csv", "id^text\na,b^c;d\n")
    assert read(source, ReaderSettings(delimiter="^", language="en")) == [passage("a,b", "c;d")]
    with pytest.raises(SettingsError, match=r"no column 'id' .* its columns are 'id\^text'"):
        read(source)
    assert read(table(source, "id\ttext\na\tb,c\n"), ReaderSettings(delimiter="tab", language="en")) == [
        passage("a", "b,c")
    ]
    assert ReaderSettings(delimiter="\\t").delimiter == "\t"
    for wrong in ("", ";;", '"', "\n"):
        with pytest.raises(SettingsError, match="does not separate columns"):
            ReaderSettings(delimiter=wrong)


def test_columns_of_other_names_decide_on_the_delimiter_too(tmp_path):
    settings = ReaderSettings(id_field="Nr", text_field="Text, lang", language="de")
    source = table(tmp_path / "c.csv", "Nr;Text, lang;Datum, Zeit\n1;Eins;heute\n")
    assert read(source, settings) == [passage("1", "Eins", language="de", metadata={"Datum, Zeit": "heute"})]


def test_columns_without_a_name(tmp_path):
    source = table(tmp_path / "c.csv", ",id,text,,page\n0,a,one,,7\n1,b,two,x,8\n")
    assert read(source) == [
        passage("a", "one", metadata={"column 1": "0", "column 4": "", "page": "7"}),
        passage("b", "two", metadata={"column 1": "1", "column 4": "x", "page": "8"}),
    ]


def test_rows_that_do_not_fit_the_header_are_told(tmp_path):
    source = table(tmp_path / "c.csv", "id;text;page\na;one\nb;two;3;x\nc;three;4;;\n")
    assert read(source) == [
        Reject(str(source), 2, "2 fields, but the header has 3", "a;one"),
        Reject(str(source), 3, "4 fields, but the header has 3", "b;two;3;x"),
        passage("c", "three", metadata={"page": "4"}),
    ]


def test_quotation_marks_behind_backslashes(tmp_path):
    source = table(
        tmp_path / "c.csv",
        'id,text\na,"He said \\"open\\" and, at once, it opened."\nb,"C:\\new\\"\nc,"a rack of 19\\""\n'
        'd,"\\"x\\", y"\ne,"all ""well"" here"\nf,"stray" quote\n',
    )
    found = read(source)
    assert found[:5] == [
        passage("a", 'He said "open" and, at once, it opened.'),
        passage("b", "C:\\new\\"),
        passage("c", 'a rack of 19"'),
        passage("d", '"x", y'),
        passage("e", 'all "well" here'),
    ]
    assert [(item.line, item.reason) for item in found[5:]] == [(7, "not CSV: ',' expected after '\"'")]


TICKETS = [
    '"Open sesame" is what the old gate wanted.',
    "The new gate wants a badge.",
    '"The canteen never closes, they said.',
    "On holidays it is closed.",
    'In the cellar stands a rack of 19"',
    '"Fire" and "Flood" are alarms; see "Alarms"',
    '"Heroes"',
    "a 'b' \\t \\n c",
]


@pytest.mark.parametrize(("delimiter", "name"), [("\t", "c.tsv"), ("|", "c.csv"), ("\t", "c.csv")])
def test_rows_in_which_a_quotation_mark_is_a_character_like_any_other(tmp_path, delimiter, name):
    rows = [f"{number}{delimiter}{text}" for number, text in enumerate(TICKETS)]
    source = table(tmp_path / name, "\n".join([f"id{delimiter}text", *rows]))
    assert read(source) == [passage(str(number), text) for number, text in enumerate(TICKETS)]
    assert [item.line for item in read_placed(source)] == list(range(2, 10))


def test_rows_that_a_pair_of_marks_would_merge(tmp_path):
    source = table(tmp_path / "c.tsv", 'id\ttext\n1\t"never closed\n2\tplain\n3\tclosed here"\n')
    assert [item.text for item in read(source)] == ['"never closed', "plain", 'closed here"']


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
def test_tsv_as_the_csv_module_writes_it(tmp_path, quoting):
    texts = ["one\ttab", 'a "word"', "two\nlines", "plain", '19"']
    written = io.StringIO()
    writer = csv.writer(written, delimiter="\t", quoting=quoting, lineterminator="\n")
    writer.writerows([["id", "text"], *([f"p{number}", text] for number, text in enumerate(texts))])
    source = table(tmp_path / "c.tsv", written.getvalue())
    assert read(source) == [passage(f"p{number}", text) for number, text in enumerate(texts)]


def test_a_column_that_is_quoted_throughout_is_unquoted(tmp_path):
    source = table(tmp_path / "c.tsv", 'id\ttext\n1\t"one"\n2\t"two"\n')
    assert [item.text for item in read(source)] == ["one", "two"]


def test_quotation_marks_far_behind_the_beginning_do_not_merge_rows(tmp_path):
    plain = "".join(f"{number}\tA plain text of some length, without a mark.\n" for number in range(8000))
    source = table(tmp_path / "c.tsv", f'id\ttext\n{plain}x\t"open\ny\tclosed"\n')
    found = read(source)
    assert len(found) == 8002
    assert [item.text for item in found[-2:]] == ['"open', 'closed"']


def test_tables_from_standard_input_are_looked_at_too(monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b'id\ttext\na\t"x\nb\ty"\n')))
    assert read("-", ReaderSettings(format="tsv", language="en")) == [passage("a", '"x'), passage("b", 'y"')]


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff", "sep=;\n"])
def test_a_table_without_a_header(tmp_path, content):
    with pytest.raises(InputError, match="is empty"):
        check_source(str(table(tmp_path / "c.csv", content)), SETTINGS)


def test_a_header_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"header line of .* cannot be read"):
        check_source(str(table(tmp_path / "c.csv", 'id,"te"xt\na,b\n')), SETTINGS)


def test_returns_within_quoted_fields_stay(tmp_path):
    source = table(tmp_path / "c.csv", b'id,text\r\na,"one\rtwo"\r\nb,three\r\n')
    assert [item.text for item in read(source)] == ["one\rtwo", "three"]
    mac = table(tmp_path / "m.csv", b'id,text\ra,"one\rtwo"\rb,three\r')
    found = read_placed(mac)
    assert [(item.line, item.passage.text) for item in found] == [(2, "one\rtwo"), (4, "three")]


def test_numbers_as_tables_have_them_are_one_id(tmp_path):
    source = table(tmp_path / "c.csv", "id,text\n101.0,one\n 7 ,two\n")
    assert [item.id for item in read(source) if isinstance(item, Passage)] == ["101", "7"]
