"""Makes a passage of a record (a mapping of field names to values), or says why that cannot be done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from xqg.errors import SettingsError
from xqg.identifiers import identifier, kind_of
from xqg.languages import names_no_language, told_language
from xqg.layouts import LANGUAGE_KEYS
from xqg.readers.values import (
    LANGUAGE_TAGS,
    NOT_FINITE,
    Notes,
    UnfitRecordError,
    clean_text,
    is_missing,
    parse_json,
    storable,
)
from xqg.records import Passage, Reject
from xqg.settings import ReaderSettings

UNTOLD_LANGUAGE = ""
"""The language of a passage that names none, until `xqg.readers.sources` settles it."""


ROLES = ("id", "text", "title", "language", "metadata")
"""The fields of a passage; where nothing else is named they are called so."""

FieldNames: TypeAlias = Mapping[str, str]
"""What the field of each role is called in a source."""


def check_columns(source: str, columns: Sequence[str], names: FieldNames) -> None:
    """Every column has its own name; id and text are there, and so is every other field named by an option.

    Title, language and metadata may be missing as long as they have their usual names.

    :raises SettingsError: names the columns found.
    """
    found = ", ".join(repr(column) for column in columns)
    repeated = sorted({column for column in columns if columns.count(column) > 1})
    if repeated:
        raise SettingsError(
            f"{source} has several columns named {', '.join(map(repr, repeated))}", remedy="Rename them"
        )
    for role, name in names.items():
        if name not in columns and (role in ("id", "text") or name != role):
            raise SettingsError(
                f"{source} has no column {name!r} for the {role}; its columns are {found}",
                remedy=f"Name the column with --{role}-field",
            )


@dataclass(frozen=True)
class PlacedPassage:
    """A passage with the place it was read from (``line`` counts from 1) and the record it was made of."""

    passage: Passage
    file: str
    line: int
    record: Any


class PassageBuilder:
    """Builds the passages of one source; a passage that names no language gets `UNTOLD_LANGUAGE`.

    :param notes: counts the changes that are made to records.
    """

    def __init__(self, settings: ReaderSettings, names: FieldNames, notes: Notes) -> None:
        self._settings, self.names, self._notes = settings, names, notes
        self._known_names = frozenset(names.values())

    def build(self, record: object, file: str, line: int) -> PlacedPassage | Reject:
        """The passage that ``record`` holds, or a reject with the first fault found in it.

        Fields that are none of the named ones become metadata; the metadata object wins over them.
        """
        changes: dict[str, None] = {}
        try:
            if not isinstance(record, Mapping):
                raise UnfitRecordError(f"not a JSON object but {kind_of(record)}")
            passage = self._passage(record, lambda kind: changes.update({kind: None}))
        except UnfitRecordError as error:
            return Reject(file, line, str(error), record)
        for kind in changes:
            self._notes.add(kind, f"{file}:{line}")
        return PlacedPassage(passage, file, line, record)

    def note(self, kind: str, file: str, line: int) -> None:
        """Count a change that a reader made to a record."""
        self._notes.add(kind, f"{file}:{line}")

    def _passage(self, record: Mapping[str, Any], note: Callable[[str], None]) -> Passage:
        key = _identifier(self._present(record, "id"))
        text = self._present(record, "text")
        if not isinstance(text, str):
            raise UnfitRecordError(f"text is not a string but {kind_of(text)}")
        text = self._checked(clean_text(text, note))
        title = _title(record.get(self.names["title"]), note)
        metadata = self._metadata(record, note)
        language = self._language(record.get(self.names["language"]), metadata, note)
        return Passage(id=key, text=text, title=title, language=language, metadata=metadata)

    def _present(self, record: Mapping[str, Any], role: str) -> Any:
        name = self.names[role]
        if name not in record:
            found = ", ".join(repr(key) for key in list(record)[:10]) or "nothing"
            raise UnfitRecordError(f"{role} is missing: no field {name!r}, found {found}")
        if is_missing(record[name]):
            shown = "null" if record[name] is None else record[name]
            raise UnfitRecordError(f"{role} is missing: {name!r} is {shown}")
        return record[name]

    def _checked(self, text: str) -> str:
        if not text.strip():
            raise UnfitRecordError("text is blank" if text else "text is empty")
        size = len(text.encode("utf-8"))
        if size > self._settings.max_text_bytes:
            raise UnfitRecordError(f"text is {size} bytes long, the limit is {self._settings.max_text_bytes}")
        return text

    def _language(self, value: Any, metadata: Mapping[str, Any], note: Callable[[str], None]) -> str:
        """The record's own language, in its field or its metadata, else that of the settings, else untold."""
        told = told_language(value)
        if told is None and not names_no_language(value):
            note(LANGUAGE_TAGS)
        elif told is None:
            told = next((code for key in LANGUAGE_KEYS if (code := told_language(metadata.get(key))) is not None), None)
        if told is None:
            told = self._settings.language
        return UNTOLD_LANGUAGE if told is None else told

    def _metadata(self, record: Mapping[str, Any], note: Callable[[str], None]) -> dict[str, Any]:
        others = {name: value for name, value in record.items() if name not in self._known_names}
        metadata = {**others, **_metadata_object(record.get(self.names["metadata"]))}
        stored: dict[str, Any] = storable(metadata, note)
        return stored


def _identifier(value: Any) -> str:
    try:
        return identifier(value)
    except ValueError as error:
        raise UnfitRecordError(f"id {error}") from None


def _title(value: Any, note: Callable[[str], None]) -> str:
    """A title that may be missing: "" then. Numbers are written as ids are."""
    if is_missing(value):
        if value is not None:
            note(NOT_FINITE)
        return ""
    if isinstance(value, str):
        return clean_text(value, note)
    try:
        return identifier(value)
    except ValueError:
        raise UnfitRecordError(f"title is not a string but {kind_of(value)}") from None


def _metadata_object(value: Any) -> Mapping[str, Any]:
    """Metadata as a mapping; a string (as tables hold it) is parsed as JSON."""
    if is_missing(value) or (isinstance(value, str) and not value.strip()):
        return {}
    if isinstance(value, str):
        try:
            value = parse_json(value)
        except UnfitRecordError as error:
            raise UnfitRecordError(f"metadata is {error}") from error
    if not isinstance(value, Mapping):
        raise UnfitRecordError(f"metadata is not an object but {kind_of(value)}")
    return value
