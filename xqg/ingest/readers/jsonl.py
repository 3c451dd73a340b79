"""Reads JSON Lines, one record a line; a BEIR corpus is JSON Lines with other field names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from xqg.ingest.readers.building import PassageBuilder, PlacedPassage, UnfitRecordError, parse_json
from xqg.ingest.readers.lines import Line, read_lines
from xqg.records import Reject


@dataclass(frozen=True)
class PlacedObject:
    """A JSON object with the line it stands on, counted from 1."""

    line: int
    value: dict[str, Any]


def read_objects(source: str) -> Iterator[PlacedObject | Reject]:
    """The JSON objects of a file or of standard input ("-"); lines that hold none are rejects, empty ones nothing.

    :raises InputError: if the file cannot be opened.
    """
    for line in read_lines(source):
        if line.fault is None and not line.content.strip():
            continue
        value = _read_value(source, line)
        if isinstance(value, Reject):
            yield value
        elif isinstance(value, dict):
            yield PlacedObject(line.number, value)
        else:
            yield Reject(source, line.number, "no JSON object", value)


def read_jsonl(source: str, builder: PassageBuilder) -> Iterator[PlacedPassage | Reject]:
    """The records of a file or of standard input ("-"); lines of white space alone are passed over.

    :raises InputError: if the file cannot be opened.
    """
    for line in read_lines(source):
        if line.fault is not None or line.content.strip():
            yield _read_record(source, line, builder)


def _read_record(source: str, line: Line, builder: PassageBuilder) -> PlacedPassage | Reject:
    record = _read_value(source, line)
    return record if isinstance(record, Reject) else builder.build(record, source, line.number)


def _read_value(source: str, line: Line) -> Any:
    if line.fault is not None:
        return Reject(source, line.number, line.fault, line.raw)
    try:
        return parse_json(_decode(line.content.rstrip(b"\r\n")))
    except UnfitRecordError as error:
        return Reject(source, line.number, str(error), line.raw)


def _decode(content: bytes) -> str:
    # Before decoding: JSON's own message for a raw NUL speaks of an "invalid control character" only.
    if b"\x00" in content:
        raise UnfitRecordError(f"NUL byte in the line, at byte {content.index(0) + 1}")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnfitRecordError(f"not UTF-8: 0x{content[error.start]:02x} at byte {error.start + 1}") from error
