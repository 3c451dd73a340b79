"""The lines of a table in text, some of which may be read again in another way; how it is written (what separates its
columns, and whether quotation marks enclose fields); and its header.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from xqg.errors import InputError
from xqg.readers import lines
from xqg.readers.lines import Line, not_utf8, read_lines
from xqg.readers.passage_records import FieldNames, check_columns

LINE_COST_BYTES = 200
"""What a line takes in memory beside its content; a stray quote can join very many."""

SAMPLE_BYTES = 2**18
"""How much of a table is looked at to find out whether its fields are enclosed in quotation marks."""

_BACKSLASHED = re.compile(r"\\(.)", re.DOTALL)


class Feed:
    """Hands lines to a dialect, and takes back those of a record that turned out to be broken."""

    def __init__(self, source: str) -> None:
        self._lines = read_lines(source, any_end=True)
        self._returned: deque[Line] = deque()
        self._size = 0
        self._escaped = False
        self.taken: list[Line] = []

    def __iter__(self) -> Feed:
        return self

    def __next__(self) -> str:
        line = self._returned.popleft() if self._returned else next(self._lines)
        self.taken.append(line)
        self._size += len(line.content) + LINE_COST_BYTES
        if line.fault is not None:
            raise csv.Error(line.fault)
        if self._size > lines.MAX_LINE_BYTES:
            raise csv.Error(f"the record takes more than {lines.MAX_LINE_BYTES} bytes; a closing quote may be missing")
        # The csv module of Python 3.10 knows no NUL; another control character is cleaned away later just as well.
        text = line.content.decode("utf-8", "surrogateescape").replace("\x00", "\x01")
        return _BACKSLASHED.sub(_doubled, text) if self._escaped else text

    def begin_record(self, escaped: bool = False) -> None:
        """:param escaped: quotation marks within fields are written with a backslash before them."""
        self.taken, self._size, self._escaped = [], 0, escaped

    def give_back(self, first: int = 0) -> None:
        """Return the taken lines from this one on: an unclosed quote joins lines that are records of their own."""
        self._returned.extendleft(reversed(self.taken[first:]))
        del self.taken[first:]

    def skip_blank_lines(self) -> None:
        """Go to the first line that holds something."""
        self.begin_record()
        for line in self:
            if line.strip():
                self.give_back(len(self.taken) - 1)
                return

    def sample(self) -> tuple[list[str], bool]:
        """The next lines, which stay to be read, and whether they are all there are."""
        self.begin_record()
        texts: list[str] = []
        complete = False
        try:
            while self._size < SAMPLE_BYTES:
                texts.append(next(self))
        except StopIteration:
            complete = True
        except csv.Error:
            pass  # a line that cannot be used; it is told of when its turn comes
        self.give_back()
        return texts, complete


def _doubled(found: re.Match[str]) -> str:
    """A quotation mark behind a backslash as the csv module has it; other backslashes stay what they are."""
    return '""' if found[1] == '"' else found[0]


DELIMITERS = {"csv": ",", "tsv": "\t"}
"""What each format is named after; a file may still be written otherwise."""

KNOWN_DELIMITERS = (",", ";", "\t", "|")

UNQUOTED_BY_HABIT = ("\t", "|")
"""With these, many programs enclose nothing in quotation marks: a mark is a character like any other."""

_HINT = re.compile(r'"?sep=(.)"?', re.IGNORECASE)


@dataclass(frozen=True)
class Dialect:
    """``quoted``: fields may be enclosed in quotation marks; ``spaced``: a space may follow a delimiter."""

    delimiter: str
    quoted: bool = True
    spaced: bool = False

    def read(self, lines: Iterable[str]) -> list[str]:
        """The fields of the next record, none for a blank line; takes as many lines as it needs.

        :raises StopIteration: at the end. :raises csv.Error: if the record is not written in this way.
        """
        if not self.quoted:
            line = next(iter(lines)).rstrip("\r\n")
            return line.split(self.delimiter) if line else []
        # Strict: a stray quotation mark is a fault, not a guess.
        return next(csv.reader(lines, delimiter=self.delimiter, skipinitialspace=self.spaced, strict=True))


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
        raise InputError(f"{source} is empty", "a header line", "Name the columns in the first line")
    wanted = {names["id"], names["text"]}
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
            return f"{not_utf8(error)} of line {line.number}"
    return None


def _take_hint(feed: Feed) -> str | None:
    """The delimiter in a first line like ``sep=;``, which Excel writes and reads; such a line is no header."""
    feed.begin_record()
    found = _HINT.fullmatch(next(feed, "").strip("\r\n"))
    if found is None:
        feed.give_back()
    return None if found is None else found[1]


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
    return replace(dialect, quoted=_is_quoted(sample, len(header), delimiter, complete))


def _named(header: Sequence[str]) -> list[str]:
    """The names without spaces around them; columns without any have their number, and none stands at the end."""
    names = [name.strip() for name in header]
    while names and not names[-1]:
        names.pop()
    return [name or f"column {number}" for number, name in enumerate(names, start=1)]


def _no_header(source: str, fault: str) -> InputError:
    return InputError(f"The header line of {source} {fault}", "column names in UTF-8", "Check the file")


def _is_quoted(lines: Sequence[str], columns: int, delimiter: str, complete: bool) -> bool:
    """Whether quotation marks enclose fields in these lines, of which the first is the header.

    Where every line has all columns, each is a record: else "…" that begins in one line and ends in another would
    swallow those between them. Then marks enclose fields only if some are doubled, as the quoted way has it, or all
    fields of a column have them.

    :param complete: the lines are the whole table.
    """
    fields = [line.rstrip("\r\n").split(delimiter) for line in lines if line.strip("\r\n")]
    if all(name.startswith('"') and name.endswith('"') for name in fields[0] if name):
        return True
    rows = fields[1:]
    if not any(field.startswith('"') for row in rows for field in row):
        return False
    faults = sum(len(row) != columns for row in rows)
    if faults:
        return _quoted_faults(lines, columns, delimiter, complete) < faults
    enclosed = [[len(field) > 1 and field[0] == field[-1] == '"' for field in row] for row in rows]
    proper = [field for row, marks in zip(rows, enclosed, strict=True) for field, mark in zip(row, marks, strict=True)
              if mark]  # fmt: skip
    if len(proper) < sum(field.startswith('"') for row in rows for field in row):
        return False
    if any('"' in field[1:-1].replace('""', "") for field in proper):
        return False
    return any('""' in field[1:-1] for field in proper) or any(map(all, zip(*enclosed, strict=True)))


def _quoted_faults(lines: Sequence[str], columns: int, delimiter: str, complete: bool) -> int:
    """How many records do not have all columns, or are no proper records, where fields may be enclosed."""
    faults, rest = 0, iter(lines)
    dialect = Dialect(delimiter)
    while True:
        try:
            faults += len(dialect.read(rest)) not in (0, columns)
        except StopIteration:
            return faults
        except csv.Error as error:
            if not complete and "unexpected end" in str(error):
                return faults
            faults += 1
