"""Reads a folder of text and Markdown files, one passage a file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from xqg.errors import InputError
from xqg.languages import names_no_language
from xqg.layouts import TITLE_KEYS
from xqg.readers import lines
from xqg.readers.front_matter import split_front_matter
from xqg.readers.inputs import told
from xqg.readers.markdown import MARKDOWN_ENDINGS, first_heading
from xqg.readers.passage_records import PassageBuilder, PlacedPassage
from xqg.readers.values import FRONT_MATTER
from xqg.records import Reject

TEXT_ENDINGS = (".txt", *MARKDOWN_ENDINGS)

SOURCE = "source"
"""The metadata key that tells which folder's file a passage is, since ids are relative to the folder."""

LANGUAGE_KEYS = ("language", "lang", "locale", "languages")
"""What front matter calls a page's language, likeliest first."""


def check_folder(folder: Path) -> None:
    """:raises InputError: if the folder cannot be read, or holds no file that would be read, nor those below it."""
    found = next((entry for entry in _walk(folder) if isinstance(entry, Path) or entry.file == str(folder)), None)
    if isinstance(found, Reject):
        raise InputError(f"The folder {folder} cannot be read: {found.reason}", remedy="Check who may read it")
    if found is None:
        raise InputError(
            f"The folder {folder} holds no passages",
            "corpus.jsonl (a BEIR corpus) or .txt and .md files",
            "Name the file itself if it has another ending",
        )


def read_folder(source: str, builder: PassageBuilder) -> Iterator[PlacedPassage | Reject]:
    """A passage for each text and Markdown file, in the order of their paths; hidden ones are passed over.

    The id is the path below the folder with forward slashes; the title that in the front matter, else the first
    Markdown heading, else the file's name without its ending. What else stands in the front matter is metadata, and
    `SOURCE` there names the folder with the one above it. Folders behind symbolic links are not entered.
    """
    folder = Path(source)
    name = Path(*Path(os.path.abspath(folder)).parts[-2:])  # noqa: PTH100 - a link is another name on purpose
    for entry in _walk(folder):
        yield _read_file(folder, entry, name, builder) if isinstance(entry, Path) else entry


def _walk(folder: Path) -> Iterator[Path | Reject]:
    """The files to read, sorted by path; only the names of the folders that lead to the next are in memory."""
    waiting: list[tuple[Path, bool]] = [(folder, True)]
    while waiting:
        path, is_folder = waiting.pop()
        if not is_folder:
            yield (
                path if _is_file(path) else Reject(str(path), 1, "it is no file but a pipe, a device or a folder", None)
            )
            continue
        try:
            with os.scandir(path) as scan:
                found = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in scan)
        except OSError as error:
            yield Reject(str(path), 1, f"the folder cannot be read: {told(error)}", None)
            continue
        waiting += [
            (path / name, below)
            for name, below in reversed(found)
            if not name.startswith(".") and (below or name.lower().endswith(TEXT_ENDINGS))
        ]


def _is_file(path: Path) -> bool:
    """Whether it can be tried to read; so a dangling link, which becomes a reject and is not lost silently."""
    try:
        return path.is_file() or not path.exists()
    except OSError:
        return True


def _read_file(folder: Path, path: Path, name: Path, builder: PassageBuilder) -> PlacedPassage | Reject:
    below = path.relative_to(folder)
    identifier = below.as_posix()
    try:
        with path.open("rb") as stream:
            content = stream.read(lines.MAX_LINE_BYTES + 1)
    except OSError as error:
        return Reject(str(path), 1, f"the file cannot be read: {told(error)}", {"id": identifier})
    if len(content) > lines.MAX_LINE_BYTES:
        record = {"id": identifier, "text": content[: lines.KEPT_BYTES].decode("utf-8", "surrogateescape")}
        reason = f"the file is longer than {lines.MAX_LINE_BYTES} bytes; only its beginning is kept"
        return Reject(str(path), 1, reason, record)
    content = content.removeprefix(lines.UTF8_MARK)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        record = {"id": identifier, "text": content.decode("utf-8", "surrogateescape")}
        return Reject(str(path), 1, lines.not_utf8(error), record)
    values = {SOURCE: (name / below).as_posix()}
    if not identifier.lower().endswith(MARKDOWN_ENDINGS):
        return builder.build({"id": identifier, "title": path.stem, "text": text, "metadata": values}, str(path), 1)
    front = split_front_matter(text)
    if front.damaged:
        builder.note(FRONT_MATTER, str(path), 1)
    return builder.build(_page(identifier, path.stem, front.text, {**front.values, **values}), str(path), 1)


def _page(identifier: str, stem: str, text: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a Markdown file; ``values`` are those of its front matter."""
    title = next((values[key] for key in TITLE_KEYS if isinstance(values.get(key), str | int | float)), "")
    language = next((key for key in LANGUAGE_KEYS if not names_no_language(values.get(key))), None)
    title = str(title).strip() or first_heading(text) or stem
    used = {*TITLE_KEYS, language}
    return {
        "id": identifier,
        "title": title,
        "text": text,
        "language": None if language is None else values[language],
        "metadata": {key: value for key, value in values.items() if key not in used},
    }
