"""Finds the header of a table in text, and with it how the table is written."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace

from xqg.errors import InputError
from xqg.readers.columns import check_columns
from xqg.readers.dialects import KNOWN_DELIMITERS, UNQUOTED_BY_HABIT, Dialect, hinted_delimiter, is_quoted
from xqg.readers.line_feed import Feed
from xqg.readers.lines import Line
from xqg.readers.passage_records import FieldNames


@dataclass(frozen=True)
class Table:
    """How a table is written, and the names of its columns."""

    dialect: Dialect
    columns: Sequence[str]

    def attempt(self, feed: Feed, escaped: bool = False) -> list[str] | str | None:
        """The fields of the next record, none for a blank line; the reason where it is broken; None at the end.

        Empty fields behind the last column are left out: spreadsheets write them.
        """
        feed.begin_record(escaped)
        try:
            fields = self.dialect.read(feed)
        except StopIteration:
            return None
        except csv.Error as error:
            kind = "TSV" if self.dialect.delimiter == "\t" else "CSV"
            return feed.taken[0].fault or f"not {kind}: {error}"
        spare = fields[len(self.columns) :]
        return fields if any(field.strip() for field in spare) else fields[: len(self.columns)]


def begin_table(source: str, feed: Feed, names: FieldNames, expected: str, given: str | None = None) -> Table:
    """The table with its checked columns; behind it, ``feed`` stands at the first record.

    :param expected: the delimiter that the file's name promises. :param given: the one that the user named.
    :raises InputError: if there is no usable header line. :raises SettingsError: if a column is missing.
    """
    try:
        hint = _take_hint(feed)
        feed.skip_blank_lines()
    except csv.Error as error:
        raise _no_header(source, f"cannot be read: {error}") from error
    known = hint if given is None else given
    candidates = [known] if known is not None else list(dict.fromkeys([expected, *KNOWN_DELIMITERS]))
    headers = {mark: _header(feed, Dialect(mark)) for mark in candidates}
    if None in headers.values():
        raise InputError(f"{source} is empty", "asked for a header line", "Name the columns in the first line")
    wanted = {names.id, names.text}
    best = max(candidates, key=lambda mark: _fitness(headers[mark], wanted))
    likeliest = headers[candidates[0]]
    found = likeliest if isinstance(likeliest, str) and not _fitness(headers[best], wanted)[0] else headers[best]
    if not isinstance(found, list):
        raise _no_header(source, f"cannot be read: {found}")
    dialect = _whole_dialect(feed, best, found)
    header = _header(feed, dialect, stay=False)
    fault = encoding_fault(feed.taken)
    if fault is not None or not isinstance(header, list):
        raise _no_header(source, f"is {fault or header}")
    columns = _named(header)
    check_columns(source, columns, names)
    return Table(dialect, columns)


def encoding_fault(taken: Sequence[Line]) -> str | None:
    """Where the first of these lines that are not UTF-8 goes wrong; None where all are."""
    for line in taken:
        try:
            line.content.decode("utf-8")
        except UnicodeDecodeError as error:
            return f"not UTF-8: 0x{line.content[error.start]:02x} at byte {error.start + 1} of line {line.number}"
    return None


def _take_hint(feed: Feed) -> str | None:
    """The delimiter that a first line names; such a line is no header."""
    feed.begin_record()
    first = next(feed, None)
    hint = None if first is None else hinted_delimiter(first)
    if hint is None:
        feed.give_back()
    return hint


def _header(feed: Feed, dialect: Dialect, stay: bool = True) -> list[str] | str | None:
    """The fields of the header, the reason where it is broken, None where there is none.

    :param stay: it is still to be read afterwards.
    """
    feed.begin_record()
    try:
        return dialect.read(feed)
    except StopIteration:
        return None
    except csv.Error as error:
        return str(error)
    finally:
        if stay:
            feed.give_back()


def _fitness(header: list[str] | str | None, wanted: set[str]) -> tuple[bool, int]:
    """Whether the wanted columns are there; where they are not, more columns are likelier to be right."""
    if not isinstance(header, list):
        return False, 0
    return (True, 0) if wanted <= {name.strip() for name in header} else (False, len(header))


def _whole_dialect(feed: Feed, delimiter: str, header: Sequence[str]) -> Dialect:
    spaced = not delimiter.isspace() and any(name.startswith(" ") for name in header[1:])
    dialect = Dialect(delimiter, spaced=spaced)
    if delimiter not in UNQUOTED_BY_HABIT:
        return dialect
    sample, complete = feed.sample()
    return replace(dialect, quoted=is_quoted(sample, len(header), delimiter, complete))


def _named(header: Sequence[str]) -> list[str]:
    """The names without spaces around them; columns without any have their number, and none stands at the end."""
    names = [name.strip() for name in header]
    while names and not names[-1]:
        names.pop()
    return [name or f"column {number}" for number, name in enumerate(names, start=1)]


def _no_header(source: str, fault: str) -> InputError:
    return InputError(f"The header line of {source} {fault}", "asked for column names in UTF-8", "Check the file")
