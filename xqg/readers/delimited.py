"""Reads CSV and TSV files with a header line, as spreadsheets, databases and programs write them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence

from xqg.readers import lines
from xqg.readers.lines import Line
from xqg.readers.passage_records import PassageBuilder, PlacedPassage
from xqg.readers.table import Feed, Table, begin_table, encoding_fault
from xqg.records import Reject


def read_delimited(
    source: str, builder: PassageBuilder, expected: str, given: str | None = None
) -> Iterator[PlacedPassage | Reject]:
    """The records of a CSV or TSV file; the line of a record is the one it starts on. Blank lines are passed over.

    The delimiter is the one given, else that of a line ``sep=;``, else whichever of comma, semicolon, tab and | makes
    the header name the columns. Other columns than the named ones become metadata, as strings. An empty title,
    language or metadata field counts as none.

    :param expected: the delimiter that the file's name promises. :param given: the one that the user named.
    :raises InputError: if the file cannot be opened or has no header line.
    :raises SettingsError: if a column is missing.
    """
    # The limit is one for the whole process and far too low for passages; it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), lines.MAX_LINE_BYTES))
    feed = Feed(source)
    table = begin_table(source, feed, builder.names, expected, given)
    while (found := _read_record(feed, table)) is not None:
        if isinstance(found, str):
            first = feed.taken[0]
            yield Reject(source, first.number, found, first.raw)
            feed.give_back(first=1)
        elif found:
            yield _read_row(source, table.columns, found, feed.taken, builder)


def _read_record(feed: Feed, table: Table) -> list[str] | str | None:
    r"""What `Table.attempt` finds; where that does not fit, with quotation marks written as \" instead of doubled."""
    found = table.attempt(feed)
    unfit = isinstance(found, str) or (found is not None and len(found) not in (0, len(table.columns)))
    if not unfit or not table.dialect.quoted or not any(b'\\"' in line.content for line in feed.taken):
        return found
    feed.give_back()
    again = table.attempt(feed, escaped=True)
    if isinstance(again, list) and len(again) == len(table.columns):
        return again
    feed.give_back()
    return table.attempt(feed)


def _read_row(
    source: str, header: Sequence[str], fields: Sequence[str], taken: Sequence[Line], builder: PassageBuilder
) -> PlacedPassage | Reject:
    number = taken[0].number
    fault = encoding_fault(taken)
    if fault is None and len(fields) != len(header):
        fault = f"{len(fields)} fields, but the header has {len(header)}"
    if fault is not None:
        raw = b"".join(line.content for line in taken)
        return Reject(source, number, fault, Line(number, raw).raw)
    optional = [builder.names[role] for role in ("title", "language", "metadata")]
    record = {
        name: None if name in optional and not value.strip() else value
        for name, value in zip(header, fields, strict=True)
    }
    return builder.build(record, source, number)
