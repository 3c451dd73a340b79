"""Makes a passage of a record (a mapping of field names to values), or says why that cannot be done."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from xqg.errors import SettingsError
from xqg.languages import LanguageDetector, language_code
from xqg.records import Passage, Reject
from xqg.settings import ReaderSettings

DETECTED_CHARACTERS = 1000
"""How much of title and text the language is detected from."""

MAX_DEPTH = 64
"""Nested deeper, metadata is rejected: JSON libraries stop anywhere between 100 and 1,000 levels."""

# Form feeds and vertical tabs are white space that PDF extractors leave behind; the others are not text.
_NO_TEXT = re.compile("[\x00-\x08\x0e-\x1f\x7f]")
_NO_IDENTIFIER = re.compile("[\x00-\x1f\x7f]")

_TYPE_NAMES = {
    bool: "true or false",
    dict: "an object",
    float: "a number",
    int: "a number",
    list: "a list",
    str: "a string",
}


class UnfitRecordError(ValueError):
    """A record that makes no passage; the message is the reason."""


@dataclass(frozen=True)
class FieldNames:
    """What the fields of a passage are called in a source."""

    id: str = "id"
    text: str = "text"
    title: str = "title"
    language: str = "language"
    metadata: str = "metadata"

    def all(self) -> frozenset[str]:
        """The five names."""
        return frozenset((self.id, self.text, self.title, self.language, self.metadata))


@dataclass(frozen=True)
class PlacedPassage:
    """A passage with the place it was read from (``line`` counts from 1) and the record it was made of."""

    passage: Passage
    file: str
    line: int
    record: Any


class PassageBuilder:
    """Builds the passages of one source."""

    def __init__(self, settings: ReaderSettings, detector: LanguageDetector, names: FieldNames) -> None:
        self._settings = settings
        self._detector = detector
        self._names = names
        self._known_names = names.all()

    def build(self, record: object, file: str, line: int) -> PlacedPassage | Reject:
        """The passage that ``record`` holds, or a reject with the first fault found in it.

        Fields that are none of the named ones become metadata; the metadata object wins over them.
        """
        try:
            if not isinstance(record, Mapping):
                raise UnfitRecordError(f"not a JSON object but {_type_name(record)}")
            passage = self._passage(record)
        except UnfitRecordError as error:
            return Reject(file, line, str(error), record)
        return PlacedPassage(passage, file, line, record)

    def _passage(self, record: Mapping[str, Any]) -> Passage:
        identifier = _identifier(self._present(record, "id", self._names.id))
        text = self._present(record, "text", self._names.text)
        if not isinstance(text, str):
            raise UnfitRecordError(f"text is not a string but {_type_name(text)}")
        self._check_text(text)
        title = _optional_text("title", record.get(self._names.title))
        metadata = self._metadata(record)
        return Passage(
            id=identifier,
            text=text,
            title=title,
            language=self._language(record.get(self._names.language), title, text),
            metadata=metadata,
        )

    def _present(self, record: Mapping[str, Any], role: str, name: str) -> Any:
        if name not in record:
            found = ", ".join(repr(key) for key in list(record)[:10]) or "nothing"
            raise UnfitRecordError(f"{role} is missing: no field {name!r}, found {found}")
        if record[name] is None:
            raise UnfitRecordError(f"{role} is missing: {name!r} is null")
        return record[name]

    def _check_text(self, text: str) -> None:
        if not text.strip():
            raise UnfitRecordError("text is blank" if text else "text is empty")
        size = _check_characters("text", text, _NO_TEXT)
        if size > self._settings.max_text_bytes:
            raise UnfitRecordError(f"text is {size} bytes long, the limit is {self._settings.max_text_bytes}")

    def _language(self, value: Any, title: str, text: str) -> str:
        """The record's own language, else that of the settings, else the detected one."""
        given = _optional_text("language", value)
        if given:
            try:
                return language_code(given)
            except SettingsError as error:
                raise UnfitRecordError(str(error)) from error
        if self._settings.language is not None:
            return self._settings.language
        beginning = text[:DETECTED_CHARACTERS]
        return self._detector.detect(f"{title}\n{beginning}"[:DETECTED_CHARACTERS] if title else beginning)

    def _metadata(self, record: Mapping[str, Any]) -> dict[str, Any]:
        others = {name: value for name, value in record.items() if name not in self._known_names}
        metadata = {**others, **_metadata_object(record.get(self._names.metadata))}
        _check_value(metadata, "metadata", 0)
        return metadata


def parse_json(text: str) -> Any:
    """The value of strict JSON: NaN and Infinity, which Python's own parser takes, are faults.

    :raises UnfitRecordError: if ``text`` is not JSON; says where.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise UnfitRecordError(f"not JSON: {error.msg.removesuffix(' at')} at character {error.pos + 1}") from error
    except RecursionError as error:
        raise UnfitRecordError("not usable JSON: nested too deeply") from error
    except UnfitRecordError:
        raise
    except ValueError as error:  # a number of more than 4,300 digits
        raise UnfitRecordError("not usable JSON: a number has too many digits") from error


def _refuse_constant(constant: str) -> NoReturn:
    raise UnfitRecordError(f"not JSON: {constant} is no JSON value")


def _identifier(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UnfitRecordError(f"id is neither a string nor a number but {_type_name(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise UnfitRecordError(f"id is {value}")
    identifier = str(value)
    if not identifier.strip():
        raise UnfitRecordError("id is blank" if identifier else "id is empty")
    _check_characters("id", identifier, _NO_IDENTIFIER)
    return identifier


def _optional_text(role: str, value: Any) -> str:
    """A string that may be missing: None means empty."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UnfitRecordError(f"{role} is not a string but {_type_name(value)}")
    _check_characters(role, value, _NO_TEXT)
    return value


def _metadata_object(value: Any) -> Mapping[str, Any]:
    """Metadata as a mapping; a string (as tables hold it) is parsed as JSON."""
    if value is None:
        return {}
    if isinstance(value, str):
        try:
            value = parse_json(value)
        except UnfitRecordError as error:
            raise UnfitRecordError(f"metadata is {error}") from error
    if not isinstance(value, Mapping):
        raise UnfitRecordError(f"metadata is not an object but {_type_name(value)}")
    return value


def _check_value(value: Any, place: str, depth: int) -> None:
    """Raise if a store could not take ``value``, naming its place as a dotted path."""
    if depth > MAX_DEPTH:
        raise UnfitRecordError(f"metadata is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        _check_characters(place, value, None)
    elif isinstance(value, float) and not math.isfinite(value):
        raise UnfitRecordError(f"{place} is {value}, which JSON cannot hold")
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise UnfitRecordError(f"{place} is a whole number of more than 64 bits")
    elif isinstance(value, Mapping):
        for name, part in value.items():
            _check_characters(f"a name in {place}", name, None)
            _check_value(part, f"{place}.{name}", depth + 1)
    elif isinstance(value, list):
        for part in value:
            _check_value(part, place, depth + 1)


def _check_characters(role: str, value: str, refused: re.Pattern[str] | None) -> int:
    """The length of ``value`` in UTF-8 bytes; raises if it has none or holds a refused character."""
    try:
        size = len(value.encode("utf-8"))
    except UnicodeEncodeError as error:
        found = f"U+{ord(value[error.start]):04X} at character {error.start + 1}"
        raise UnfitRecordError(f"lone surrogate in {role}: {found}") from error
    match = refused.search(value) if refused is not None else None
    if match is not None:
        kind = "NUL byte" if match[0] == "\x00" else f"control character U+{ord(match[0]):04X}"
        raise UnfitRecordError(f"{kind} in {role} at character {match.start() + 1}")
    return size


def _type_name(value: object) -> str:
    return "null" if value is None else _TYPE_NAMES.get(type(value), type(value).__name__)
