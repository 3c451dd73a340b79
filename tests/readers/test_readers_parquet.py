"""Parquet: values of all kinds, rows and row groups that cannot be read, and a missing pyarrow."""

import datetime
import decimal
import math
import sys

import pytest

from tests.readers.test_readers import SETTINGS, passage, read
from xqg.errors import InputError, MissingDependencyError, SettingsError
from xqg.readers.sources import check_source
from xqg.records import Passage, Reject
from xqg.settings import ReaderSettings

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def test_parquet(tmp_path):
    table = pyarrow.table(
        {
            "id": pyarrow.array([1, 2, 3], pyarrow.int64()),
            "text": ["one", None, "three"],
            "language": ["fr", None, None],
            "day": [datetime.date(2024, 2, 29), None, None],
            "tags": [["x", "y"], [], None],
            "metadata": ['{"page": 1}', None, '{"day": "none"}'],
            "labels": pyarrow.array([[("k", 1)], None, None], pyarrow.map_(pyarrow.string(), pyarrow.int32())),
        }
    )
    source = tmp_path / "c.parquet"
    parquet.write_table(table, source, row_group_size=2)
    assert read(source) == [
        passage(
            "1", "one", language="fr", metadata={"day": "2024-02-29", "tags": ["x", "y"], "labels": {"k": 1}, "page": 1}
        ),
        Reject(
            str(source),
            2,
            "text is missing: 'text' is null",
            {"id": 2, "text": None, "language": None, "day": None, "tags": [], "metadata": None, "labels": None},
        ),
        passage("3", "three", metadata={"day": "none", "tags": None, "labels": None}),
    ]
    with pytest.raises(SettingsError, match=r"no column 'url'.* 'id', 'text', 'language', 'day', 'tags'"):
        check_source(str(source), ReaderSettings(id_field="url"))


def test_numbers_as_polars_and_spark_write_them(tmp_path):
    table = pyarrow.table(
        {
            "id": pyarrow.array([decimal.Decimal("1.00"), decimal.Decimal("2.50")]),
            "text": ["one", "two"],
            "title": pyarrow.array([404.0, math.nan], from_pandas=False),
            "price": pyarrow.array([math.inf, 1.5], from_pandas=False),
            "cost": pyarrow.array([decimal.Decimal("9.90"), None]),
            "large": pyarrow.array([2**64 - 1, 1], pyarrow.uint64()),
            "vector": [[0.1, math.nan], []],
        }
    )
    parquet.write_table(table, tmp_path / "c.parquet")
    assert read(tmp_path / "c.parquet") == [
        passage(
            "1",
            "one",
            title="404",
            metadata={"price": None, "cost": "9.90", "large": "18446744073709551615", "vector": [0.1, None]},
        ),
        passage("2.50", "two", metadata={"price": 1.5, "cost": None, "large": 1, "vector": []}),
    ]


def test_parquet_with_bytes_that_are_no_text(tmp_path):
    texts = pyarrow.array([b"good", b"caf\xe9", b"also good"], pyarrow.binary())
    marked = texts.view(pyarrow.string())  # says that it is UTF-8, and is not
    ids = ["a", "b", "c"]
    parquet.write_table(pyarrow.table({"id": ids, "text": texts}), tmp_path / "bytes.parquet")
    parquet.write_table(pyarrow.table({"id": ids, "text": marked}), tmp_path / "marked.parquet")
    for name in ("bytes.parquet", "marked.parquet"):
        first, bad, last = read(tmp_path / name)
        assert (first, last) == (passage("a", "good"), passage("c", "also good"))
        assert (bad.line, bad.reason) == (2, "not UTF-8: 0xe9 at byte 4 of b'caf\\xe9'")
        assert bad.record == {"id": "b", "text": "caf\udce9"}


def test_parquet_with_a_damaged_row_group(tmp_path):
    source = tmp_path / "c.parquet"
    table = pyarrow.table({"id": [f"p{n}" for n in range(6)], "text": [f"text {n}" for n in range(6)]})
    parquet.write_table(table, source, row_group_size=2, use_dictionary=False, compression="gzip")
    column = parquet.ParquetFile(source).metadata.row_group(1).column(1)
    content = bytearray(source.read_bytes())
    start = column.data_page_offset
    content[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    source.write_bytes(content)
    found = read(source)
    assert [item.id if isinstance(item, Passage) else item.line for item in found] == ["p0", "p1", 3, "p4", "p5"]
    assert found[2].reason.startswith("the rest of row group 2 cannot be read: ")


def test_parquet_that_is_none_and_parquet_without_pyarrow(tmp_path, monkeypatch):
    source = tmp_path / "c.parquet"
    source.write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match="cannot be read"):
        check_source(str(source), SETTINGS)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "xqg\[parquet\]"'):
        check_source(str(source), SETTINGS)
