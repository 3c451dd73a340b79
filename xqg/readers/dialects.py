"""Finds out how a table in text is written: what separates its columns, and whether quotation marks enclose fields."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

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


def hinted_delimiter(line: str) -> str | None:
    """The delimiter in a line like ``sep=;``, which Excel writes and reads; None for any other line."""
    found = _HINT.fullmatch(line.strip("\r\n"))
    return None if found is None else found[1]


def is_quoted(lines: Sequence[str], columns: int, delimiter: str, complete: bool) -> bool:
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
