"""Reads JSON Lines, one record a line, and JSON, an array of records; BEIR's corpus is the first with other names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from xqg.readers.json_stream import JsonText, read_json_texts
from xqg.readers.lines import not_utf8, read_lines
from xqg.readers.passage_records import PassageBuilder, PlacedPassage
from xqg.readers.values import UnfitRecordError, parse_json
from xqg.records import Reject

JSON_ENDINGS = (".json", ".json.gz")


@dataclass(frozen=True)
class PlacedObject:
    """A JSON value, which `read_objects` gives only objects of, with the line it stands on, counted from 1."""

    line: int
    value: Any


def read_objects(source: str) -> Iterator[PlacedObject | Reject]:
    """The JSON objects of a file or of standard input ("-"); what is none is a reject, empty lines are nothing.

    A file whose name ends in .json holds an array, or values one after the other; others hold one on each line.

    :raises InputError: if the file cannot be opened.
    """
    for found in _read_values(source, source.lower().endswith(JSON_ENDINGS)):
        if isinstance(found, Reject) or isinstance(found.value, dict):
            yield found
        else:
            yield Reject(source, found.line, "no JSON object", found.value)


def read_jsonl(source: str, builder: PassageBuilder, whole: bool = False) -> Iterator[PlacedPassage | Reject]:
    """The records of a file or of standard input ("-"); lines of white space alone are passed over.

    :param whole: the file is JSON as a whole, an array or values one after the other.
    :raises InputError: if the file cannot be opened.
    """
    for found in _read_values(source, whole):
        yield found if isinstance(found, Reject) else builder.build(found.value, source, found.line)


def _read_values(source: str, whole: bool) -> Iterator[PlacedObject | Reject]:
    for found in read_json_texts(source) if whole else _read_line_texts(source):
        if found.fault is not None or found.text.strip():
            yield _read_text(source, found)


def _read_line_texts(source: str) -> Iterator[JsonText]:
    return (JsonText(line.number, line.raw, line.fault) for line in read_lines(source))


def _read_text(source: str, found: JsonText) -> PlacedObject | Reject:
    if found.fault is not None:
        return Reject(source, found.line, found.fault, found.text)
    try:
        found.text.encode("utf-8", "surrogateescape").decode("utf-8")
        return PlacedObject(found.line, parse_json(found.text))
    except UnicodeDecodeError as error:
        return Reject(source, found.line, not_utf8(error), found.text)
    except UnfitRecordError as error:
        return Reject(source, found.line, str(error), found.text)
