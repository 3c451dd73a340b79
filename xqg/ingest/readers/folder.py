"""Reads a folder of text and Markdown files, one passage a file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xqg.ingest.readers import lines
from xqg.ingest.readers.building import PassageBuilder, PlacedPassage
from xqg.records import Reject

TEXT_ENDING = ".txt"
MARKDOWN_ENDING = ".md"

_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+(.+?)(?:[ \t]+#+)?[ \t]*")
_FENCE = re.compile(r" {0,3}(```|~~~)")


def has_texts(folder: Path) -> bool:
    """Whether the folder or one below it holds a file that would be read."""
    return any(isinstance(entry, Path) for entry in _walk(folder))


def read_folder(source: str, builder: PassageBuilder) -> Iterator[PlacedPassage | Reject]:
    """A passage for each .txt and .md file, in the order of their paths; hidden files and folders are passed over.

    The id is the path below the folder with forward slashes, the title the first Markdown heading or the
    file's name without its ending. Folders behind symbolic links are not entered.
    """
    folder = Path(source)
    for entry in _walk(folder):
        yield _read_file(folder, entry, builder) if isinstance(entry, Path) else entry


def _walk(folder: Path) -> Iterator[Path | Reject]:
    """The files to read; only the names of one branch of the tree are in memory."""
    try:
        with os.scandir(folder) as scan:
            entries = sorted((entry for entry in scan if not entry.name.startswith(".")), key=lambda entry: entry.name)
    except OSError as error:
        yield Reject(str(folder), 1, f"the folder cannot be read: {error.strerror}", None)
        return
    for entry in entries:
        path = folder / entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(path)
        elif path.suffix.lower() in (TEXT_ENDING, MARKDOWN_ENDING) and (path.is_file() or not path.exists()):
            yield path  # a dangling link too: it becomes a reject and is not lost silently


def _read_file(folder: Path, path: Path, builder: PassageBuilder) -> PlacedPassage | Reject:
    identifier = path.relative_to(folder).as_posix()
    try:
        with path.open("rb") as stream:
            content = stream.read(lines.MAX_LINE_BYTES + 1)
    except OSError as error:
        return Reject(str(path), 1, f"the file cannot be read: {error.strerror}", {"id": identifier})
    if len(content) > lines.MAX_LINE_BYTES:
        record = _record(path, identifier, content[: lines.KEPT_BYTES])
        reason = f"the file is longer than {lines.MAX_LINE_BYTES} bytes; only its beginning is kept"
        return Reject(str(path), 1, reason, record)
    content = content.removeprefix(lines.UTF8_MARK)
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        reason = f"not UTF-8: 0x{content[error.start]:02x} at byte {error.start + 1}"
        return Reject(str(path), 1, reason, _record(path, identifier, content))
    return builder.build(_record(path, identifier, content), str(path), 1)


def _record(path: Path, identifier: str, content: bytes) -> dict[str, Any]:
    text = content.decode("utf-8", "surrogateescape")
    heading = _first_heading(text) if path.suffix.lower() == MARKDOWN_ENDING else None
    return {"id": identifier, "title": path.stem if heading is None else heading, "text": text}


def _first_heading(text: str) -> str | None:
    """The first Markdown heading; a "#" in a fenced code block is a comment, not a heading."""
    fence: str | None = None
    for line in text.splitlines():
        mark = _FENCE.match(line)
        if mark is not None and fence in (None, mark[1]):
            fence = mark[1] if fence is None else None
            continue
        heading = _HEADING.fullmatch(line) if fence is None else None
        if heading is not None:
            return heading[1]
    return None
