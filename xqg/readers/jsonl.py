"""Reads JSON Lines, one record a line, and JSON, an array or values one after the other, in bounded memory."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from xqg.readers import lines
from xqg.readers.lines import READ_ERRORS, not_utf8, open_bytes, read_lines, told
from xqg.readers.passage_records import PassageBuilder, PlacedPassage
from xqg.readers.values import UnfitRecordError, parse_json
from xqg.records import Reject

READ_BYTES = 2**16

_OUTSIDE = re.compile(r'["\[\]{},\n]')
_IN_STRING = re.compile(r'["\\]')


@dataclass(frozen=True)
class JsonText:
    """The text of one record, and the line it starts on, counted from 1; ``fault`` says why it cannot be used."""

    line: int
    text: str
    fault: str | None = None


def read_json_texts(source: str) -> Iterator[JsonText]:
    """The elements of the arrays in ``source``, and what else stands at its top level, as text that is not yet parsed.

    Only quotes and brackets are looked at, so a record with a fault does not take the next ones with it. Bytes that
    are not UTF-8 are surrogate escapes.

    :raises InputError: if the file cannot be opened.
    """
    cutter = _Cutter()
    with open_bytes(source) as stream:
        try:
            for text, mark in _marks(_decoded(stream)):
                yield from cutter.take(text, mark)
        except READ_ERRORS as error:
            yield JsonText(cutter.line, "", f"the rest of the file cannot be read: {told(error)}")
            return
    yield from cutter.finish()


def _decoded(stream: BinaryIO) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    mark = "\ufeff"
    while content := stream.read1(READ_BYTES):  # type: ignore[attr-defined]
        text = decoder.decode(content)
        yield text.removeprefix(mark)
        mark = "" if text else mark
    yield decoder.decode(b"", final=True)


def _marks(pieces: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Text up to the next bracket, comma or line feed that stands in no string, with that; "" at the end of a piece."""
    inside, ahead = False, 0
    for text in pieces:
        start, position = 0, ahead
        while (found := (_IN_STRING if inside else _OUTSIDE).search(text, position)) is not None:
            position = found.end()
            if found[0] == "\\":
                position += 1  # what follows is escaped, also where it is the first character of the next piece
            elif found[0] == '"':
                inside = not inside
            else:
                yield text[start : position - 1], found[0]
                start = position
        ahead = max(position - len(text), 0)
        yield text[start:], ""


class _Cutter:
    """Puts the text of one record together; ``line`` is the one that was reached."""

    def __init__(self) -> None:
        self.line = 1
        self._parts: list[str] = []
        self._size = self._depth = 0
        self._first_line = 1
        self._in_array = False

    def take(self, text: str, mark: str) -> Iterator[JsonText]:
        """The record that ends with ``mark``, if one does."""
        self._keep(text)
        self.line += text.count("\n")
        outside = self._depth == 0
        if mark == "[" and outside and not (self._in_array or self._parts):
            self._in_array = True
        elif mark in ("[", "{"):
            self._keep(mark)
            self._depth += 1
        elif mark in ("]", "}") and not outside:
            self._keep(mark)
            self._depth -= 1
            if self._depth == 0 and not self._in_array:
                yield from self._record()
        elif mark == "]" and self._in_array:
            yield from self._record()
            self._in_array = False
        elif mark == "," and outside and (self._in_array or not self._parts):
            yield from self._record()
        elif mark == "\n":
            if outside and not self._in_array:
                yield from self._record()
            self._keep(mark)
            self.line += 1
        else:
            self._keep(mark)

    def finish(self) -> Iterator[JsonText]:
        """What is left at the end of the file."""
        inside = self._depth > 0
        for last in self._record():
            yield JsonText(last.line, last.text, "the file ends inside the record") if inside else last
        if self._in_array and not inside:
            yield JsonText(self.line, "", "the file ends before its array does")

    def _keep(self, text: str) -> None:
        if not self._parts:
            if not text.strip():
                return
            self._first_line = self.line
        self._size += len(text)
        if self._size <= lines.MAX_LINE_BYTES:
            self._parts.append(text)
        elif self._size - len(text) <= lines.MAX_LINE_BYTES:  # now it is too long
            self._parts = ["".join([*self._parts, text])[: lines.KEPT_BYTES]]

    def _record(self) -> Iterator[JsonText]:
        """The record so far, which ends here; nothing where there is none, as behind a last comma."""
        if self._parts:
            fault = None
            if self._size > lines.MAX_LINE_BYTES:
                fault = f"the record is longer than {lines.MAX_LINE_BYTES} characters; only its beginning is kept"
            yield JsonText(self._first_line, "".join(self._parts), fault)
        self._parts, self._size = [], 0


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
    texts = (JsonText(line.number, line.raw, line.fault) for line in read_lines(source))
    for found in read_json_texts(source) if whole else texts:
        if found.fault is not None or found.text.strip():
            yield _read_text(source, found)


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
