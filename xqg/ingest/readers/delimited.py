"""Reads CSV and TSV files with a header line."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Sequence

from xqg.errors import InputError
from xqg.ingest.readers import lines
from xqg.ingest.readers.building import FieldNames, PassageBuilder, PlacedPassage
from xqg.ingest.readers.columns import check_columns
from xqg.ingest.readers.lines import Line, read_lines
from xqg.records import Reject

DELIMITERS = {"csv": ",", "tsv": "\t"}

LINE_COST_BYTES = 200
"""What a line takes in memory beside its content; counted because a stray quote can swallow very many."""


class _Feed:
    """Hands lines to the csv module, and takes back those of a record that turned out to be broken."""

    def __init__(self, source: str) -> None:
        self._lines = read_lines(source)
        self._returned: deque[Line] = deque()
        self._size = 0
        self.taken: list[Line] = []

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        line = self._returned.popleft() if self._returned else next(self._lines)
        self.taken.append(line)
        self._size += len(line.content) + LINE_COST_BYTES
        if line.fault is not None:
            raise csv.Error(line.fault)
        if self._size > lines.MAX_LINE_BYTES:
            raise csv.Error(f"the record takes more than {lines.MAX_LINE_BYTES} bytes; a closing quote may be missing")
        return line.content.decode("utf-8", "surrogateescape")

    def begin_record(self) -> None:
        self.taken, self._size = [], 0

    def return_all_but_first(self) -> None:
        """An unclosed quote swallows the lines after it; they get another chance as records of their own."""
        self._returned.extendleft(reversed(self.taken[1:]))


def read_header(source: str, delimiter: str, names: FieldNames) -> list[str]:
    """The checked column names of a file.

    :raises InputError: if there is no usable header line. :raises SettingsError: if a column is missing.
    """
    return _read_header(source, _Feed(source), delimiter, names)


def read_delimited(
    source: str, delimiter: str, names: FieldNames, builder: PassageBuilder
) -> Iterator[PlacedPassage | Reject]:
    """The records of a CSV or TSV file; the line of a record is the one it starts on. Blank lines are passed over.

    Other columns than the named ones become metadata, as strings. An empty title, language or metadata
    field counts as none.

    :raises InputError: if the file cannot be opened or has no header line.
    :raises SettingsError: if a column is missing.
    """
    # The limit is one for the whole process and far too low for passages; it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), lines.MAX_LINE_BYTES))
    feed = _Feed(source)
    header = _read_header(source, feed, delimiter, names)
    while True:
        try:
            fields = _next_row(feed, delimiter)
        except StopIteration:
            return
        except csv.Error as error:
            first = feed.taken[0]
            yield Reject(
                source, first.number, _broken(delimiter, error) if first.fault is None else first.fault, first.raw
            )
            feed.return_all_but_first()
            continue
        if fields:
            yield _read_row(source, header, fields, feed.taken, names, builder)


def _read_row(
    source: str,
    header: Sequence[str],
    fields: Sequence[str],
    taken: Sequence[Line],
    names: FieldNames,
    builder: PassageBuilder,
) -> PlacedPassage | Reject:
    number = taken[0].number
    fault = _encoding_fault(taken)
    if fault is None and len(fields) != len(header):
        fault = f"{len(fields)} fields, but the header has {len(header)}"
    if fault is not None:
        raw = b"".join(line.content for line in taken)
        return Reject(source, number, fault, Line(number, raw).raw)
    optional = (names.title, names.language, names.metadata)
    record = {
        name: None if name in optional and not value.strip() else value
        for name, value in zip(header, fields, strict=True)
    }
    return builder.build(record, source, number)


def _encoding_fault(taken: Sequence[Line]) -> str | None:
    for line in taken:
        try:
            line.content.decode("utf-8")
        except UnicodeDecodeError as error:
            return f"not UTF-8: 0x{line.content[error.start]:02x} at byte {error.start + 1} of line {line.number}"
    return None


def _read_header(source: str, feed: _Feed, delimiter: str, names: FieldNames) -> list[str]:
    header: list[str] = []
    try:
        while not header:
            header = _next_row(feed, delimiter)
    except StopIteration:
        raise InputError(
            f"{source} is empty", "asked for a header line", "Name the columns in the first line"
        ) from None
    except csv.Error as error:
        raise InputError(
            f"The header line of {source} cannot be read: {error}", f"asked for {_kind(delimiter)}", "Check the file"
        ) from error
    fault = _encoding_fault(feed.taken)
    if fault is not None:
        raise InputError(f"The header line of {source} is {fault}", "asked for UTF-8", "Save the file as UTF-8")
    check_columns(source, header, names)
    return header


def _next_row(feed: _Feed, delimiter: str) -> list[str]:
    """The fields of the next record, none for a blank line; raises StopIteration at the end."""
    feed.begin_record()
    # A reader for each record starts afresh after a broken one. Strict: a stray quote is a fault, not a guess.
    return next(csv.reader(feed, delimiter=delimiter, strict=True))


def _broken(delimiter: str, error: csv.Error) -> str:
    return f"not {_kind(delimiter)}: {error}"


def _kind(delimiter: str) -> str:
    return next(kind.upper() for kind, known in DELIMITERS.items() if known == delimiter)
