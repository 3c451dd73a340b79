"""Where the stacks that write to Qdrant keep a passage's text, title, language and metadata in the payload."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from xqg.errors import PARSING_ERRORS, SettingsError, StoreError
from xqg.languages import language_code
from xqg.records import Passage

OWN_KEY = "xqg"
"""The one key that xqg adds to a payload."""

TITLE_KEYS = ("title", "Title")
LANGUAGE_KEYS = ("language", "lang")
"""Metadata keys under which loaders keep a document's title and language."""

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+(\[\d*\])*")


@dataclass(frozen=True)
class Layout:
    """How one stack lays a passage out in a payload.

    :param marks: keys by which a payload of this layout is told; it has all of them.
    :param text_key: dotted path of the text.
    :param metadata_key: dotted path of the object with the metadata; "" where they lie flat in the payload.
    :param own_parent: key of the object that takes our key; "" where the payload itself does.
    """

    name: str
    marks: tuple[str, ...]
    text_key: str
    metadata_key: str = ""
    own_parent: str = ""

    def recognises(self, payload: Mapping[str, Any]) -> bool:
        """Whether ``payload`` has the marks of this layout."""
        return all(key in payload for key in self.marks)

    def text(self, payload: Mapping[str, Any]) -> str:
        """The text of the passage; "" where there is none."""
        value = _at(payload, self.text_key)
        return value if isinstance(value, str) else ""

    def text_place(self, payload: Mapping[str, Any]) -> tuple[str, str]:
        """Where the text lies, as a path for Qdrant's filters, and what lies there."""
        parts = [self.text_key] if self.text_key in payload else self.text_key.split(".")
        return ".".join(map(_quoted, parts)), self.text(payload)

    def metadata(self, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """The metadata of the passage, without its text; {} where there are none."""
        value = _at(payload, self.metadata_key) if self.metadata_key else payload
        hidden = (OWN_KEY,) if self.metadata_key else (*self._stack_keys(), OWN_KEY)
        return {key: part for key, part in value.items() if key not in hidden} if isinstance(value, Mapping) else {}

    def title(self, payload: Mapping[str, Any]) -> str:
        """The title in the metadata; "" where there is none."""
        return _first_text(self.metadata(payload), TITLE_KEYS)

    def language(self, payload: Mapping[str, Any]) -> str | None:
        """The language in the metadata, as ISO 639-1; None where there is none that is known."""
        tag = _first_text(self.metadata(payload), LANGUAGE_KEYS)
        try:
            return language_code(tag) if tag else None
        except SettingsError:
            return None  # someone else's key of that name, or a language we cannot use

    def embedded_texts(self, payload: Mapping[str, Any]) -> tuple[str, ...]:
        """What the stack may have embedded for this payload, likeliest first."""
        text, title = self.text(payload), self.title(payload)
        return (text, f"{title} {text}") if title else (text,)

    def passage(self, passage_id: str, payload: Mapping[str, Any], detect: Callable[[str], str]) -> Passage:
        """The passage of a payload. :param detect: tells the language of a text whose payload names none."""
        text, title, language = self.text(payload), self.title(payload), self.language(payload)
        return Passage(
            id=passage_id,
            text=text,
            title=title,
            language=detect(f"{title}\n{text}" if title else text) if language is None else language,
            metadata=self.metadata(payload),
        )

    @property
    def own_path(self) -> str:
        """The payload path of our key."""
        return f"{self.own_parent}.{OWN_KEY}" if self.own_parent else OWN_KEY

    def own(self, payload: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """What stands under our key in ``payload``; None where there is nothing of ours."""
        parent = payload.get(self.own_parent) if self.own_parent else payload
        value = parent.get(OWN_KEY) if isinstance(parent, Mapping) else None
        return value if isinstance(value, Mapping) else None

    def with_own(self, payload: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
        """``payload`` with our key."""
        if not self.own_parent:
            return {**payload, OWN_KEY: own}
        return {**payload, self.own_parent: {**(payload.get(self.own_parent) or {}), OWN_KEY: own}}

    def without_own(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """``payload`` without our key."""
        if self.own(payload) is None:
            return dict(payload)
        if not self.own_parent:
            return {key: value for key, value in payload.items() if key != OWN_KEY}
        parent = {key: value for key, value in payload[self.own_parent].items() if key != OWN_KEY}
        return {**payload, self.own_parent: parent}

    def filter_path(self, key: str) -> str:
        """The payload path of a metadata key, as Qdrant's filters want it; a dotted path is taken as it is."""
        if "." in key:
            return key
        return f"{self.metadata_key}.{_quoted(key)}" if self.metadata_key else _quoted(key)

    def to_json(self) -> dict[str, str]:
        """What `layout_from_json` makes the layout from again."""
        return {"name": self.name, "text_key": self.text_key, "metadata_key": self.metadata_key}

    def _stack_keys(self) -> tuple[str, ...]:
        return (self.text_key,)


class LlamaIndexLayout(Layout):
    """Its text lies in a node that is kept as a JSON string; the metadata lie flat beside it."""

    def text(self, payload: Mapping[str, Any]) -> str:
        """The text of the node, old form or new; that under ``text_key`` where there is no readable node."""
        node = _node(payload)
        resource = node.get("text_resource")
        for value in (resource.get("text") if isinstance(resource, Mapping) else None, node.get("text")):
            if isinstance(value, str) and value:
                return value
        return super().text(payload)

    def text_place(self, payload: Mapping[str, Any]) -> tuple[str, str]:
        """The whole node, which is a string too; the bare text where there is none."""
        node = payload.get("_node_content")
        return ("_node_content", node) if isinstance(node, str) else super().text_place(payload)

    def embedded_texts(self, payload: Mapping[str, Any]) -> tuple[str, ...]:
        """The text with the metadata that the node's templates put before it, then the bare text."""
        node, text = _node(payload), self.text(payload)
        excluded = node.get("excluded_embed_metadata_keys") or ()
        metadata = {key: value for key, value in (node.get("metadata") or {}).items() if key not in excluded}
        line = str(node.get("metadata_template", "{key}: {value}"))
        lines = [_filled(line, key=key, value=str(value)) for key, value in metadata.items()]
        separator = node.get("metadata_separator", node.get("metadata_seperator", "\n"))
        joined = str(separator).join(lines).strip()
        if not joined:
            return (text,)
        template = str(node.get("text_template", "{metadata_str}\n\n{content}"))
        return (_filled(template, metadata_str=joined, content=text).strip(), text)

    def _stack_keys(self) -> tuple[str, ...]:
        return (self.text_key, "_node_content", "_node_type", "document_id", "doc_id", "ref_doc_id")


LLAMAINDEX = LlamaIndexLayout("llamaindex", ("_node_content",), "text")
HAYSTACK = Layout("haystack", ("content", "meta"), "content", "meta", own_parent="meta")
"""Haystack 2 refuses to read a document with a key beside ``meta``; Haystack 3 takes such a key into ``meta``."""

LANGCHAIN = Layout("langchain", ("page_content",), "page_content", "metadata")
MCP = Layout("mcp", ("document",), "document", "metadata")
PLAIN = Layout("plain", ("text",), "text")
LAYOUTS = (LLAMAINDEX, HAYSTACK, LANGCHAIN, MCP, PLAIN)
"""All layouts, those with the clearest marks first."""

NAMES = tuple(layout.name for layout in LAYOUTS)


def recognise(payloads: Iterable[Mapping[str, Any]]) -> Layout | None:
    """The layout of most of ``payloads``, the one with the clearest marks on a tie; None where none is known."""
    counts = dict.fromkeys(LAYOUTS, 0)
    for payload in payloads:
        found = next((layout for layout in LAYOUTS if layout.recognises(payload)), None)
        if found is not None:
            counts[found] += 1
    best = max(LAYOUTS, key=lambda layout: counts[layout])
    return best if counts[best] else None


def choose_layout(
    payloads: Sequence[Mapping[str, Any]],
    name: str | None = None,
    text_key: str | None = None,
    metadata_key: str | None = None,
) -> Layout:
    """The layout of the sample ``payloads``, with what the user named instead of what was recognised.

    A collection of an unknown stack is read with ``text_key`` alone.

    :raises SettingsError: if ``name`` is unknown.
    :raises StoreError: if no layout is recognised and no ``text_key`` given, or no text lies there.
    """
    if name is not None and name not in NAMES:
        raise SettingsError(f"Unknown layout {name!r}", f"one of {', '.join(NAMES)}")
    layout = LAYOUTS[NAMES.index(name)] if name is not None else recognise(payloads)
    if layout is None:
        if text_key is None:
            raise StoreError(
                f"The payloads have the keys {_keys(payloads)}, which is no layout that xqg knows",
                f"one of {', '.join(NAMES)}",
                "Name the key of the text with --text-key",
            )
        layout = PLAIN
    if text_key is not None:
        # who names the key of a node's text does not want the node
        layout = replace(layout if layout is not LLAMAINDEX else PLAIN, text_key=text_key)
    if metadata_key is not None:
        layout = replace(layout, metadata_key=metadata_key)
    if payloads and not any(layout.text(payload).strip() for payload in payloads):
        raise StoreError(
            f"None of {len(payloads)} sampled points has a text at {layout.text_key!r}, where the layout {layout.name} "
            f"keeps it; their keys are {_keys(payloads)}",
            "texts to write queries for",
            "Name another --layout or --text-key",
        )
    return layout


def layout_from_json(value: Mapping[str, str]) -> Layout:
    """The layout that `Layout.to_json` wrote.

    :raises StoreError: if its name is unknown, as that of a later version of xqg is.
    """
    if value.get("name") not in NAMES:
        raise StoreError(f"Unknown payload layout {value.get('name')!r}", f"one of {', '.join(NAMES)}", "Update xqg")
    layout = LAYOUTS[NAMES.index(value["name"])]
    return replace(layout, text_key=value["text_key"], metadata_key=value["metadata_key"])


def _at(payload: Mapping[str, Any], path: str) -> Any:
    """The value at a key that may itself hold dots, or else at a dotted path; None where there is none."""
    if path in payload:
        return payload[path]
    value: Any = payload
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _quoted(key: str) -> str:
    return key if _PLAIN_KEY.fullmatch(key) else f'"{key}"'


def _first_text(values: Mapping[str, Any], keys: Sequence[str]) -> str:
    return next((values[key].strip() for key in keys if isinstance(values.get(key), str)), "")


def _node(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        node = json.loads(payload.get("_node_content") or "{}")
    except PARSING_ERRORS:
        return {}
    return node if isinstance(node, Mapping) else {}


def _filled(template: str, **values: str) -> str:
    """``template`` with its fields filled in; not `str.format`, for the template comes out of a database."""
    pattern = "|".join(rf"\{{{name}\}}" for name in values)
    return re.sub(pattern, lambda found: values[found[0][1:-1]], template)


def _keys(payloads: Sequence[Mapping[str, Any]]) -> str:
    keys = dict.fromkeys(key for payload in payloads for key in payload)
    return ", ".join(repr(key) for key in list(keys)[:12]) or "none"
