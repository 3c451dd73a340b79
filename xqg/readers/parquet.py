"""Reads Parquet files, one row group after the other (needs pyarrow, the extra ``parquet``)."""

from __future__ import annotations

import base64
import datetime
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from xqg.errors import InputError
from xqg.extras import importing
from xqg.readers.lines import not_utf8
from xqg.readers.passage_records import FieldNames, PassageBuilder, PlacedPassage, check_columns
from xqg.records import Reject

BATCH_ROWS = 256
"""Rows held in memory at once."""

CONVERSION_ERRORS = (ValueError, OverflowError)
"""What pyarrow raises for values that Python cannot hold: broken UTF-8, dates out of range, nanoseconds."""


def check_parquet(source: str, names: FieldNames) -> None:
    """Open the file and check its columns.

    :raises MissingDependencyError: without pyarrow. :raises InputError: if the file is not Parquet.
    :raises SettingsError: if a column is missing.
    """
    with _open(source) as file:
        check_columns(source, list(file.schema_arrow.names), names)


def read_parquet(source: str, builder: PassageBuilder) -> Iterator[PlacedPassage | Reject]:
    """The rows of a Parquet file; their line is the row's number, from 1.

    Other columns than the named ones become metadata: dates in ISO 8601, decimals as strings, bytes as base64.
    A row group that cannot be read is one reject, and reading goes on behind it.

    :raises MissingDependencyError: without pyarrow. :raises InputError: if the file is not Parquet.
    :raises SettingsError: if a column is missing.
    """
    with _open(source) as file:
        check_columns(source, list(file.schema_arrow.names), builder.names)
        first = 1
        for group in range(file.metadata.num_row_groups):
            yield from _read_group(source, file, group, first, builder)
            first += file.metadata.row_group(group).num_rows


def _read_group(
    source: str, file: Any, group: int, first: int, builder: PassageBuilder
) -> Iterator[PlacedPassage | Reject]:
    import pyarrow

    row = first
    try:
        for batch in file.iter_batches(batch_size=BATCH_ROWS, row_groups=[group]):
            for record in _records(batch, builder.names):
                if isinstance(record, Reject):
                    yield replace(record, file=source, line=row)
                else:
                    yield builder.build(record, source, row)
                row += 1
    except (pyarrow.ArrowException, OSError) as error:
        yield Reject(source, row, f"the rest of row group {group + 1} cannot be read: {error}", None)


def _records(batch: Any, names: FieldNames) -> Iterator[dict[str, Any] | Reject]:
    """The rows as JSON values."""
    try:
        rows = [_record(row, names) for row in batch.to_pylist()]
    except CONVERSION_ERRORS:  # says nothing of the row, so they are tried one by one
        for number in range(batch.num_rows):
            yield _one_record(batch.slice(number, 1), names)
    else:
        yield from rows


def _one_record(row: Any, names: FieldNames) -> dict[str, Any] | Reject:
    try:
        return _record(row.to_pylist()[0], names)
    except CONVERSION_ERRORS as error:
        if isinstance(error, UnicodeDecodeError):
            reason = f"{not_utf8(error)} of {error.object!r:.80}"
        else:
            reason = f"a value cannot be read: {error}"
        columns = zip(row.schema.names, row.columns, strict=True)
        return Reject("", 0, reason, {name: _salvage(column) for name, column in columns})


def _salvage(column: Any) -> Any:
    """The only value of a column: as it is, else its bytes with surrogate escapes, else None."""
    import pyarrow

    try:
        value = column[0].as_py()
    except CONVERSION_ERRORS:
        try:
            value = column.cast(pyarrow.large_binary())[0].as_py()
        except (*CONVERSION_ERRORS, pyarrow.ArrowException):
            return None
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else _json_value(value)


def _record(row: Mapping[str, Any], names: FieldNames) -> dict[str, Any]:
    """The row as JSON values and decimals.

    :raises UnicodeDecodeError: if a named field holds bytes that are not UTF-8.
    """
    # Some writers leave texts unmarked, as bytes.
    return {
        name: value.decode("utf-8") if isinstance(value, bytes) and name in names.values() else _json_value(value)
        for name, value in row.items()
    }


def _json_value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _json_value(part) for name, part in value.items()}
    if isinstance(value, list):
        pairs = [part for part in value if isinstance(part, tuple)]  # pyarrow gives a map column as a list of pairs
        return _json_value(dict(pairs)) if pairs else [_json_value(part) for part in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    return str(value) if isinstance(value, uuid.UUID) else value  # decimals may be ids; elsewhere they become strings


def _open(source: str) -> Any:
    with importing("parquet", source):
        import pyarrow
        from pyarrow import parquet
    try:
        return parquet.ParquetFile(source)
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"{source} cannot be read: {error}", "a Parquet file", "Check the file") from error
