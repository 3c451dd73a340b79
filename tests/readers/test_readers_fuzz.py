"""Readers on input that nobody thought of: no exception but ours, and every record is a passage or a reject."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzzing import fuzzed, numbers, records, texts, values
from tests.readers.test_readers import SETTINGS, read_passages
from xqg.errors import InputError, XqgError
from xqg.evaluation.queries import read_queries
from xqg.generators.file import FileGenerator
from xqg.identifiers import canonical, identifier, is_text
from xqg.languages import NAMES, CorpusLanguage, LanguageDetector, names_no_language, told_language
from xqg.readers.beir import read_judgements
from xqg.readers.corpus import Chunker
from xqg.readers.folder import split_front_matter
from xqg.readers.jsonl import read_json_texts
from xqg.readers.markdown import first_heading, parse_blocks
from xqg.readers.rejects import RejectsFile, read_rejects
from xqg.readers.sources import check_source
from xqg.readers.squad import read_squad
from xqg.readers.values import UnfitRecordError, storable
from xqg.records import Passage, Reject
from xqg.settings import GeneratorSettings, ReaderSettings

LINES = st.lists(st.one_of(records.map(json.dumps), texts), max_size=8)


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


def encoded(text: str) -> bytes:
    """Halves of characters become bytes that are not UTF-8."""
    return text.encode("utf-8", "surrogatepass")


def put(path: Path, content: str | bytes) -> str:
    path.write_bytes(content if isinstance(content, bytes) else encoded(content))
    return str(path)


def read(source: str, settings: ReaderSettings = SETTINGS) -> list[Passage | Reject]:
    """All records of a source, each of which can be stored or written to the rejects file."""
    found = list(read_passages(source, settings))
    with RejectsFile(f"{source}.rejects") as rejects:
        for item in found:
            if isinstance(item, Reject):
                rejects.write(item)
            else:
                json.dumps(
                    [item.id, item.text, item.title, item.metadata], allow_nan=False, ensure_ascii=False
                ).encode()
                assert item.text.strip()
                assert item.language in NAMES
                assert item.id == identifier(item.id)
        written = sum(isinstance(item, Reject) for item in found)
        assert not written or len(list(read_rejects(f"{source}.rejects"))) == written
    return found


@fuzzed
@given(LINES)
def test_fuzz_json_lines(folder, lines):
    content = encoded("\n".join(lines))
    found = read(put(folder / "c.jsonl", content))
    marked = content.removeprefix(b"\xef\xbb\xbf")
    assert len(found) == sum(bool(line.strip()) for line in marked.split(b"\n"))


@fuzzed
@given(st.lists(records, max_size=6), st.sampled_from([None, 1]))
def test_fuzz_json_arrays(folder, made, indent):
    assert len(read(put(folder / "c.json", json.dumps(made, indent=indent)))) == len(made)


@fuzzed
@given(st.lists(st.one_of(st.sampled_from(list('[]{}",:\\\n 1a')), texts), max_size=30).map("".join))
def test_fuzz_json_of_any_text(folder, content):
    source = put(folder / "c.json", content)
    if not content.encode("utf-8", "surrogatepass").startswith((b"\xff\xfe", b"\xfe\xff")):
        read(source)
        kept = "".join(item.text for item in read_json_texts(source))
        left = content.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape").removeprefix("\ufeff")
        assert [mark for mark in kept if mark.isalnum()] == [mark for mark in left if mark.isalnum()]


FIELDS = st.lists(texts.map(lambda text: text.replace("\x00", "")), min_size=1, max_size=3)


@fuzzed
@given(
    st.lists(FIELDS, max_size=6),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_fuzz_tables_that_the_csv_module_wrote(folder, rows, delimiter, quoting, end):
    written = io.StringIO()
    writer = csv.writer(written, delimiter=delimiter, quoting=quoting, lineterminator=end)
    writer.writerow(["id", "text"])
    for number, row in enumerate(rows):
        writer.writerow([f"ROW{number}x", *row])
    found = read(put(folder / "c.csv", written.getvalue()))
    assert tokens(found) == [f"ROW{number}x" for number in range(len(rows))]
    if delimiter in ",;":  # with the others, a mark may also be a character like any other
        assert len(found) == len(rows)


@fuzzed
@given(st.lists(texts, max_size=6), st.sampled_from([",", "\t"]), st.sampled_from(["\n", "\r"]))
def test_fuzz_tables_of_any_text(folder, rows, delimiter, end):
    lines = [f"id{delimiter}text", *(f"ROW{number}x{delimiter}{row}" for number, row in enumerate(rows))]
    found = read(put(folder / "c.csv", end.join(lines)))
    assert tokens(found) == [f"ROW{number}x" for number in range(len(rows))]


PLAIN = texts.map(lambda text: "".join(mark for mark in text if mark not in "\t\r\n"))


@fuzzed
@given(st.lists(PLAIN, max_size=8))
def test_fuzz_rows_of_tabs_stay_rows_whatever_marks_they_have(folder, rows):
    lines = ["id\ttext", *(f"ROW{number}x\t{row}" for number, row in enumerate(rows))]
    found = read(put(folder / "c.tsv", "\n".join(lines)))
    assert tokens(found) == [f"ROW{number}x" for number in range(len(rows))]
    assert len(found) == len(rows)


def tokens(found: list[Passage | Reject]) -> list[str]:
    """The marks ROW0x, ROW1x … in the order of the records that have them, each as often as it is there."""
    shown = [json.dumps([item.id, item.text, item.title, item.metadata] if isinstance(item, Passage) else item.record)
             for item in found]  # fmt: skip
    return [part.partition("x")[0].join(["ROW", "x"]) for text in shown for part in text.split("ROW")[1:]]


@fuzzed
@given(st.lists(st.tuples(values, texts, numbers, values), max_size=5))
def test_fuzz_parquet(folder, rows):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    ids, written, prices, others = zip(*rows, strict=True) if rows else ((), (), (), ())
    table = pyarrow.table(
        {
            "id": pyarrow.array([json.dumps(value) for value in ids], pyarrow.string()),
            "text": pyarrow.array([encoded(text) for text in written], pyarrow.binary()),
            "price": pyarrow.array([float(price) for price in prices], pyarrow.float64()),
            "metadata": pyarrow.array([json.dumps(value) for value in others], pyarrow.string()),
        }
    )
    parquet.write_table(table, folder / "c.parquet")
    assert len(read(str(folder / "c.parquet"))) == len(rows)


@fuzzed
@given(st.binary(max_size=200), st.sampled_from(["c.jsonl", "c.json", "c.csv", "c.tsv", "c.jsonl.gz", "c.parquet"]))
def test_fuzz_any_bytes(folder, content, name):
    source = put(folder / name, content)
    try:
        check_source(source, SETTINGS)
        read(source)
    except XqgError as error:
        assert str(error)


@fuzzed
@given(
    st.dictionaries(
        st.sampled_from(["a.md", "b.txt", "c.markdown", "d.MD"]), st.one_of(texts.map(encoded), st.binary())
    )
)
def test_fuzz_folders(files):
    with tempfile.TemporaryDirectory() as made:
        inside = Path(made, "docs")
        inside.mkdir()
        for name, content in files.items():
            put(inside / name, content)
        assert len(read(str(inside))) == len(files)


MARKDOWN = st.lists(
    st.one_of(
        st.sampled_from(["# H\n", "## H\n\n", "H\n===\n", "| a | b |\n|---|---|\n", "| 1 | 2 |\n", "```x\n", "~~~\n",
                         "- i\n", "> q\n", "\n", "\n\n", "---\n", "    c\n", "<div>\n", "[a]: b\n",
                         "title: x\n", "\r\n"]),
        st.integers(1, 30).map(lambda count: " ".join(["word"] * count) + "\n"),
        texts,
    ),
    max_size=25,
).map("".join)  # fmt: skip


@fuzzed
@given(MARKDOWN, st.integers(16, 40), st.integers(0, 8))
def test_fuzz_markdown_loses_nothing_and_fits(content, limit, overlap):
    text = content.encode("utf-8", "replace").decode("utf-8")
    assert "".join(block.text for block in parse_blocks(text)) == text
    first_heading(text)
    front = split_front_matter(text)
    assert text.endswith(front.text)

    def count(part: str) -> int:
        return len(part.split())

    settings = ReaderSettings(chunk_tokens=limit, chunk_overlap=overlap)
    chunks = [chunk.text for chunk in Chunker(count, settings).chunk(Passage("a.md", text))]
    assert sum(chunk.count("word") for chunk in chunks) >= text.count("word")
    assert len(chunks) == 1 or all(chunk.strip() for chunk in chunks)
    assert len(chunks) == 1 or max(map(count, chunks)) <= limit


@fuzzed
@given(st.lists(st.one_of(st.fixed_dictionaries({"passage_id": values, "language": st.one_of(st.just("fr"), values),
                                                 "query": st.one_of(texts, values)}), values), max_size=6))  # fmt: skip
def test_fuzz_query_files(folder, made):
    path = put(folder / "q.jsonl", "".join(json.dumps(record) + "\n" for record in made))
    generator = FileGenerator(GeneratorSettings(spec=f"file:{path}"))
    try:
        languages = generator.languages()
    except InputError:
        return
    passage = Passage("a", "")
    generator.meet([passage])
    generator.left_over()
    generation = generator.generate([(passage, languages)])
    assert set(languages) <= set(NAMES)
    assert generation.dropped.get("malformed", 0) < len(made)


@fuzzed
@given(LINES, LINES)
def test_fuzz_labelled_queries_and_judgements(folder, lines, judged):
    path, qrels = Path(put(folder / "q.jsonl", "\n".join(lines))), Path(put(folder / "q.tsv", "\n".join(judged)))
    assert len(list(read_judgements(qrels))) <= sum(map(bool, "\n".join(judged).split("\n")))
    for labels in (None, qrels):
        try:
            read = read_queries(path, labels)
        except InputError as error:
            assert str(error)
        else:
            assert read.queries


QUESTIONS = st.fixed_dictionaries({"id": values, "question": values})
PARAGRAPHS = st.fixed_dictionaries({"context": texts, "qas": st.lists(QUESTIONS)})
ARTICLES = st.fixed_dictionaries({"paragraphs": st.lists(PARAGRAPHS)})


@fuzzed
@given(st.one_of(values, st.fixed_dictionaries({"data": st.lists(ARTICLES)})))
def test_fuzz_squad(folder, made):
    path = put(folder / "x.de.json", json.dumps(made))
    try:
        list(read_squad([Path(path)]))
    except InputError as error:
        assert str(error)


@fuzzed
@given(st.one_of(values, texts))
def test_fuzz_ids_and_values(value):
    try:
        key = identifier(value)
    except ValueError as error:
        assert str(error)
    else:
        assert key == identifier(key) == canonical(key)
        assert is_text(key)
    try:
        stored = storable(value, lambda kind: None)
    except UnfitRecordError as error:
        assert str(error)
    else:
        json.dumps(stored, allow_nan=False, ensure_ascii=False).encode("utf-8")


@fuzzed
@given(st.one_of(values, texts), st.lists(texts, max_size=3))
def test_fuzz_languages(value, written):
    assert told_language(value) in {*NAMES, None}
    assert not (names_no_language(value) and told_language(value))
    corpus = CorpusLanguage(LanguageDetector())
    for text in written:
        corpus.learn(text)
        assert corpus.settle(text) in NAMES
