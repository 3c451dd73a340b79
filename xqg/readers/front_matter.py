"""Takes the front matter off a Markdown file: what stands in YAML or TOML above the text, as static sites have it."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

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
