"""Reads a folder of text and Markdown files, one passage a file, and what stands in YAML or TOML above a page."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from xqg.errors import InputError
from xqg.languages import names_no_language
from xqg.layouts import TITLE_KEYS
from xqg.readers import lines
from xqg.readers.lines import told
from xqg.readers.markdown import MARKDOWN_ENDINGS, first_heading
from xqg.readers.passage_records import PassageBuilder, PlacedPassage
from xqg.readers.values import FRONT_MATTER
from xqg.records import Reject

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MAX_CHARACTERS = 2**14
"""A longer block is text: parsers of YAML are slow, and nobody writes so much above a page."""

_BEGINNING = re.compile(r"(---|\+\+\+)[ \t]*\r?\n")
_ENDINGS = {
    "---": re.compile(r"^(?:---|\.\.\.)[ \t]*\r?(?:\n|\Z)", re.MULTILINE),
    "+++": re.compile(r"^\+\+\+[ \t]*\r?(?:\n|\Z)", re.MULTILINE),
}
_PAIR = re.compile(r"([A-Za-z_][\w.-]*)[ \t]*(?::[ \t]+|=[ \t]*)(\S.*)")

_PARSE_ERRORS = (yaml.YAMLError, ValueError, TypeError, RecursionError, OverflowError, AttributeError)


@dataclass(frozen=True)
class FrontMatter:
    """``values`` from above the text, and the text; ``damaged`` where they could only be read line by line."""

    text: str
    values: Mapping[str, Any] = field(default_factory=dict)
    damaged: bool = False


def split_front_matter(content: str) -> FrontMatter:
    """The values above the text, and the text without them; a file without any is all text."""
    begin = _BEGINNING.match(content)
    end = None if begin is None else _ENDINGS[begin[1]].search(content, begin.end(), begin.end() + MAX_CHARACTERS)
    if begin is None or end is None:
        return FrontMatter(content)
    block, text = content[begin.end() : end.start()], content[end.end() :]
    try:
        values = _yaml_values(block) if begin[1] == "---" else tomllib.loads(block.replace("\r\n", "\n"))
    except _PARSE_ERRORS:
        values = {found[1]: _unquoted(found[2].strip()) for found in map(_PAIR.fullmatch, block.splitlines()) if found}
        # a text may begin with a rule of three dashes
        return FrontMatter(text, values, damaged=True) if values else FrontMatter(content)
    return FrontMatter(content) if values is None else FrontMatter(text, values)


def _yaml_values(block: str) -> dict[str, Any] | None:
    """The mapping in ``block``, {} where it is empty, None where something else stands there."""
    node = yaml.compose(block, Loader=_Loader)
    if node is None:
        return {}
    return _plain(node) if isinstance(node, yaml.MappingNode) else None


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """YAML without aliases: a few lines of them can stand for gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not read")
        return super().compose_node(parent, index)


def _plain(node: Any) -> Any:
    """The value of a node; what is neither a number nor null, true or false stays as it is written, dates too."""
    if isinstance(node, yaml.MappingNode):
        return {str(_plain(key)): _plain(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(part) for part in node.value]
    kind = node.tag.rpartition(":")[2]
    # YAML 1.1 takes "no", a language, for false, and 12:30 for a number.
    if kind == "null":
        return None
    if kind == "bool" and node.value.lower() in ("true", "false"):
        return node.value.lower() == "true"
    if kind == "int" and re.fullmatch(r"[-+]?(0|[1-9][0-9]{0,18})", node.value):
        return int(node.value)
    if kind == "float" and re.fullmatch(r"[-+]?[0-9]{1,15}\.([0-9]|[0-9]{1,14}[1-9])", node.value):
        return float(node.value)  # but 1.10 is a version
    return node.value


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


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
