"""Checks that a table has the columns that were asked for, before its first row is read."""

from __future__ import annotations

from collections.abc import Sequence

from xqg.errors import SettingsError
from xqg.readers.passage_records import FieldNames

_REQUIRED = ("id", "text")
_OPTIONAL = ("title", "language", "metadata")


def check_columns(source: str, columns: Sequence[str], names: FieldNames) -> None:
    """Every column has its own name; id and text are there, and so is every other field named by an option.

    Title, language and metadata may be missing as long as they have their usual names.

    :raises SettingsError: names the columns found.
    """
    found = ", ".join(repr(column) for column in columns)
    repeated = sorted({column for column in columns if columns.count(column) > 1})
    if repeated:
        raise SettingsError(
            f"{source} has several columns named {', '.join(map(repr, repeated))}",
            "asked for columns with different names",
            "Rename them",
        )
    usual = FieldNames()
    for role in (*_REQUIRED, *_OPTIONAL):
        name = getattr(names, role)
        if name not in columns and (role in _REQUIRED or name != getattr(usual, role)):
            raise SettingsError(
                f"{source} has no column {name!r} for the {role}; its columns are {found}",
                f"asked for the {role} in the column {name!r}",
                f"Name the column with --{role}-field",
            )
