"""Bad records: each kind is one reject with its exact line and reason, and reading goes on."""

import gzip
import json
import random
import tracemalloc
import zlib

import pytest

from tests.readers.test_readers import SETTINGS, EchoDetector, passage, read, read_passages
from xqg.readers import lines
from xqg.readers.corpus import Corpus
from xqg.records import Passage, Reject
from xqg.settings import ReaderSettings

CUT_OFF = "Compressed file ended before the end-of-stream marker was reached"
GOOD = b'{"id": "good", "text": "fine"}'

BAD_LINES = [
    (b'{"id": "a", "text": ', "not JSON: Expecting value at character 21"),
    (b'["a", "b"]', "not a JSON object but a list"),
    (b"null", "not a JSON object but null"),
    (b'{"id": "a", "title": "b"}', "text is missing: no field 'text', found 'id', 'title'"),
    (b'{"id": "a", "text": null}', "text is missing: 'text' is null"),
    (b'{"id": "a", "text": ""}', "text is empty"),
    (b'{"id": "a", "text": " \\n\\u00a0"}', "text is blank"),
    (b'{"id": "a", "text": 5}', "text is not a string but a number"),
    (b'{"text": "t"}', "id is missing: no field 'id', found 'text'"),
    (b'{"id": "", "text": "t"}', "id is empty"),
    (b'{"id": " ", "text": "t"}', "id is blank"),
    (b'{"id": ["a"], "text": "t"}', "id is neither a string nor a number but a list"),
    (b'{"id": true, "text": "t"}', "id is neither a string nor a number but true or false"),
    (b'{"id": 1e999, "text": "t"}', "id is missing: 'id' is inf"),
    (b'{"id": "a", "text": NaN}', "text is missing: 'text' is nan"),
    (b'{"id": "a\\tb", "text": "t"}', "id has the control character U+0009 at character 2"),
    (b'{"id": "\\udc80", "text": "t"}', "id has a lone surrogate: U+DC80 at character 1"),
    (b'{"id": "' + b"a" * 4097 + b'", "text": "t"}', "id is 4097 bytes long, the limit is 4096"),
    (b'{"id": "\\u200b\\u00ad", "text": "t"}', "id is blank"),
    (b'{"id": "a", "text": "caf\xe9"}', "not UTF-8: 0xe9 at byte 25"),
    (b'{"id": "a", "text": "\xed\xa0\x80"}', "not UTF-8: 0xed at byte 22"),
    (b'{"id": "a", "text": "\\u0000"}', "text is empty"),
    (b'{"id": "a", "text": "t"}\x00', "not JSON: Extra data at character 25"),
    (b'{"id": "a", "text": "t", "title": [3]}', "title is not a string but a list"),
    (b'{"id": "a", "text": "t", "title": true}', "title is not a string but true or false"),
    (b'{"id": "a", "text": "t", "metadata": [1]}', "metadata is not an object but a list"),
    (b'{"id": "a", "text": "t", "metadata": "x=1"}', "metadata is not JSON: Expecting value at character 1"),
    (b'{"id": "a", "text": "t", "x": ' + b"[" * 65 + b"]" * 65 + b"}", "metadata is nested deeper than 64 levels"),
    (b'{"id": "a", "text": "t", "x": ' + b"[" * 99_999, "not usable JSON: nested too deeply"),
    (b'{"id": ' + b"1" * 5000 + b"}", "not usable JSON: a number has too many digits"),
]


@pytest.mark.parametrize(("line", "reason"), BAD_LINES, ids=[reason[:40] for _, reason in BAD_LINES])
def test_bad_json_line(tmp_path, line, reason):
    source = tmp_path / "c.jsonl"
    source.write_bytes(GOOD + b"\n\n" + line + b"\n" + GOOD)
    first, bad, last = read(source)
    assert first == last == passage("good", "fine")
    assert (bad.file, bad.line, bad.reason) == (str(source), 3, reason)


def test_what_a_reject_keeps(tmp_path):
    source = tmp_path / "c.jsonl"
    source.write_bytes(b'{"id": "a", "text": ""}\n{"id": "a", "text": "caf\xe9"}\r\n{"id"\n')
    assert [item.record for item in read(source)] == [
        {"id": "a", "text": ""},
        '{"id": "a", "text": "caf\udce9"}',
        '{"id"',
    ]


def test_text_limit_is_in_bytes(tmp_path):
    source = tmp_path / "c.jsonl"
    records = [{"id": "a", "text": "éé"}, {"id": "b", "text": "ééx"}]
    source.write_text("".join(json.dumps(record) + "\n" for record in records))
    fits, bad = read(source, ReaderSettings(language="en", max_text_bytes=4))
    assert fits == passage("a", "éé")
    assert bad == Reject(str(source), 2, "text is 5 bytes long, the limit is 4", records[1])


def test_white_space_of_pdf_extractors_is_text(tmp_path):
    source = tmp_path / "c.jsonl"
    source.write_text(json.dumps({"id": "a", "text": "x\f\v\t\r\ny"}))
    assert read(source) == [passage("a", "x\f\v\t\r\ny")]


def test_bad_csv_records(tmp_path):
    source = tmp_path / "c.csv"
    source.write_bytes(
        b"id,text,metadata\n"
        b'a,"two\nlines",\n'  # lines 2 and 3
        b"b,too,,many\n"  # 4
        b"c,few\n"  # 5
        b'd,"two\ncaf\xe9",\n'  # 6 and 7
        b'e,"stray" quote,\n'  # 8
        b"f,,\n"  # 9
        b"g,x,[1]\n"  # 10
        b"h,x,{'a'}\n"  # 11
        b'i,"never closed,\n'  # 12
        b'j,"fine, again",\n'  # 13
        b"k,fine,\n"  # 14
        b'l,"open at the end\n'  # 15
        b"m,fine,\n"  # 16
    )
    found = read(source)
    assert [item.id for item in found if isinstance(item, Passage)] == ["a", "j", "k", "m"]
    bad = [item for item in found if isinstance(item, Reject)]
    assert [(item.line, item.reason) for item in bad] == [
        (4, "4 fields, but the header has 3"),
        (5, "2 fields, but the header has 3"),
        (6, "not UTF-8: 0xe9 at byte 4 of line 7"),
        (8, "not CSV: ',' expected after '\"'"),
        (9, "text is empty"),
        (10, "metadata is not an object but a list"),
        (11, "metadata is not JSON: Expecting property name enclosed in double quotes at character 2"),
        (12, "not CSV: ',' expected after '\"'"),
        (15, "not CSV: unexpected end of data"),
    ]
    assert bad[2].record == 'd,"two\ncaf\udce9",'
    assert bad[4].record == {"id": "f", "text": "", "metadata": None}
    assert bad[7].record == 'i,"never closed,'


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_lines_over_the_limit_are_skipped_in_bounded_memory(tmp_path, monkeypatch, ending):
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 100_000)
    source = tmp_path / f"c.{ending}"
    good = b"id,text\ng,fine\n" if ending == "csv" else b'{"id": "g", "text": "fine"}\n\n'
    last = b"h,fine\n" if ending == "csv" else b'{"id": "h", "text": "fine"}\n'
    with source.open("wb") as file:
        file.write(good)
        for _ in range(40):
            file.write(b"x" * 2**20)
        file.write(b"\n" + last)
    tracemalloc.start()
    found = read(source)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (found[0], found[2]) == (passage("g", "fine"), passage("h", "fine"))
    assert (found[1].line, found[1].record) == (3, "x" * 65_536)
    assert found[1].reason == "the line is longer than 100000 bytes; only its beginning is kept"
    assert peak < 5 * 2**20


def test_a_quote_that_is_never_closed_does_not_swallow_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 10_000)
    source = tmp_path / "c.csv"
    source.write_text('id,text\nbad,"open\n' + "".join(f"p{n},text {n}\n" for n in range(500)))
    found = read(source)
    assert (found[0].line, found[0].record) == (2, 'bad,"open')
    assert found[0].reason.endswith("a closing quote may be missing")
    assert [item.id for item in found[1:]] == [f"p{n}" for n in range(500)]


def numbered_lines(count):
    return [f'{{"id": "p{n}", "text": "{random.Random(n).random()}"}}\n'.encode() for n in range(count)]


def test_a_gzip_file_cut_off_in_the_middle(tmp_path):
    source = tmp_path / "c.jsonl.gz"
    whole = gzip.compress(b"".join(numbered_lines(300)))
    source.write_bytes(whole[: len(whole) // 2])
    *good, bad = read(source)
    assert [item.id for item in good] == [f"p{n}" for n in range(len(good))]
    assert 100 < len(good) < 200
    assert bad == Reject(
        str(source),
        len(good) + 1,
        f"the rest of the file cannot be read: {CUT_OFF}",
        "",
    )


def test_a_gzip_file_damaged_in_the_middle_of_the_second_member(tmp_path):
    source = tmp_path / "c.jsonl.gz"
    records = numbered_lines(200)
    second = gzip.compress(b"".join(records[100:]))
    source.write_bytes(gzip.compress(b"".join(records[:100])) + second[:10] + b"\xff" * 50 + second[60:])
    *good, bad = read(source)
    assert [item.id for item in good] == [f"p{n}" for n in range(100)]
    assert (bad.line, bad.reason.partition(": ")[0]) == (101, "the rest of the file cannot be read")


def test_a_gzip_file_with_a_damaged_place(tmp_path):
    source = tmp_path / "c.jsonl.gz"
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    packed = packer.compress(b"".join(numbered_lines(2000))) + packer.flush(zlib.Z_FULL_FLUSH)
    source.write_bytes(packed + b"\xff" * 2000)  # a block of a type that does not exist
    *good, bad = read(source)
    assert good
    assert [item.id for item in good] == [f"p{n}" for n in range(len(good))]
    assert bad.line == len(good) + 1
    assert bad.reason.endswith("invalid block type")


@pytest.mark.parametrize("name", ["c.jsonl.gz", "c.json.gz", "c.csv.gz"])
def test_a_small_file_that_unpacks_to_a_large_one_takes_bounded_memory(tmp_path, monkeypatch, name):
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 100_000)
    source = tmp_path / name
    with gzip.open(source, "wb") as file:
        file.write(b"id,text\n" if "csv" in name else b'{"id": "a", "text": "')
        for _ in range(40):
            file.write(b"x" * 2**20)
    assert source.stat().st_size < 100_000
    tracemalloc.start()
    found = read(source)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [type(item) for item in found] == [Reject]
    assert peak < 5 * 2**20


def test_a_damaged_csv_gz_ends_in_a_reject_too(tmp_path):
    source = tmp_path / "c.csv.gz"
    whole = gzip.compress(b"id,text\na,one\n") + gzip.compress(b"".join(numbered_lines(50)))[:20]
    source.write_bytes(whole)
    found = read(source)
    assert found[0] == passage("a", "one")
    assert found[-1].reason == f"the rest of the file cannot be read: {CUT_OFF}"


def torture_file(path):
    """1,000 good lines with 70 bad ones among them; returns the expected reason of each bad line."""
    makers = [
        lambda n: (b'{"id": "x%d", "text": "cut' % n, "not JSON: Unterminated string starting at character "),
        lambda n: (b'{"id": "x%d"}' % n, "text is missing: no field 'text', found 'id'"),
        lambda n: (b'{"id": "x%d", "text": ""}' % n, "text is empty"),
        lambda n: (b'{"id": "p0", "text": "again"}', f"duplicate id 'p0', first seen at {path}:1"),
        lambda n: (b'{"id": "x%d", "text": "\xff\xfe"}' % n, "not UTF-8: 0xff at byte"),
        lambda n: (b'{"id": "x%d\\u0000x", "text": "a"}' % n, "id has the control character U+0000"),
        lambda n: (b'["x%d", "text"]' % n, "not a JSON object but a list"),
    ]
    output, reasons = [], {}
    for n in range(1000):
        output.append(b'{"id": "p%d", "text": "Good text number %d."}' % (n, n))
        if n % 15 == 7:
            line, reason = makers[n // 15 % len(makers)](n)
            output.append(line)
            reasons[len(output)] = reason
        if n == 500:
            output.append(b'{"id": "huge", "text": "%s"}' % (b"word " * 2**20))
            reasons[len(output)] = "text is 5242880 bytes long, the limit is 1048576"
    path.write_bytes(b"\n".join(output) + b"\n")
    return reasons


def test_torture_file(tmp_path):
    source = tmp_path / "torture.jsonl"
    reasons = torture_file(source)
    found = list(Corpus([str(source)], SETTINGS, lambda text: len(text.split()), EchoDetector()))
    good = [item for item in found if isinstance(item, Passage)]
    bad = [item for item in found if isinstance(item, Reject)]
    assert [item.id for item in good] == [f"p{n}" for n in range(1000)]
    assert [item.text for item in good] == [f"Good text number {n}." for n in range(1000)]
    assert [item.line for item in bad] == list(reasons)
    assert len(reasons) == 68
    for item in bad:
        assert item.reason.startswith(reasons[item.line])
    assert [len(item.record["text"]) for item in bad if "bytes long" in item.reason] == [5242880]


def test_memory_does_not_grow_with_the_corpus(tmp_path):
    source = tmp_path / "c.jsonl"
    text = "Some words that fill a passage. " * 20
    with source.open("w") as file:
        for n in range(20_000):
            file.write(json.dumps({"id": f"p{n}", "text": text}) + "\n")
    assert source.stat().st_size > 12 * 2**20
    tracemalloc.start()
    count = sum(1 for _ in Corpus([str(source)], SETTINGS, lambda text: 1, EchoDetector()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20_000
    assert peak < 2 * 2**20


def test_nothing_is_read_before_it_is_asked_for(tmp_path):
    source = tmp_path / "c.jsonl"
    source.write_bytes(GOOD + b"\n" + GOOD + b"\n")
    stream = read_passages(source)
    assert next(stream) == passage("good", "fine")
    stream.close()
