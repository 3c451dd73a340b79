"""Where a stack that writes to Qdrant keeps a passage's text, title, language and metadata in the payload."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from xqg.errors import PARSING_ERRORS, SettingsError, StoreError
from xqg.language_codes import understood_language
from xqg.messages import brief
from xqg.records import Passage, digest

OWN_KEY = "xqg"
"""The one key that xqg adds to a payload."""

DOCUMENT_HASH, PLAIN_VECTOR = FILTERED_FIELDS = ("document_hash", "plain_vector")
"""Fields under our key that conditions of writes ask for; the second is the vector that a point of others came with."""

PAYLOAD_HASH = "payload_hash"
"""The field under our key with the digest of all else in the payload, as we wrote it."""

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
        parent = payload.get(self.own_parent) or {}
        return all(key in payload for key in self.marks) and isinstance(parent, Mapping)

    def text(self, payload: Mapping[str, Any]) -> str:
        """The text of the passage; "" where there is none."""
        value = _at(payload, self.text_key)
        return value if isinstance(value, str) else ""

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
        return understood_language(tag)  # None also for someone else's key of that name

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

    def point_id(self, passage_id: str) -> int | str:
        """The id of the point that holds a passage: the same, a number where it is all digits (a UUID has hyphens)."""
        return int(passage_id) if passage_id.isascii() and passage_id.isdigit() else passage_id

    def stored_passage(self, key: int | str, payload: Mapping[str, Any]) -> Passage:
        """The passage of a point of ours or of others, in the language that we noted. :param key: the point's id."""
        own = self.own(payload) or {}
        passage = self.passage(str(key), self.without_own(payload), lambda text: "")
        language = own.get("language", passage.language)
        return replace(passage, language=language, document_hash=own.get("document_hash", ""))

    @property
    def own_path(self) -> str:
        """The payload path of our key."""
        return f"{self.own_parent}.{OWN_KEY}" if self.own_parent else OWN_KEY

    def own_field_path(self, name: str) -> str:
        """The payload path of one field of what stands under our key."""
        return f"{self.own_path}.{name}"

    def own(self, payload: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """What stands under our key in ``payload``; None where there is nothing of ours."""
        parent = payload.get(self.own_parent) if self.own_parent else payload
        value = parent.get(OWN_KEY) if isinstance(parent, Mapping) else None
        return value if isinstance(value, Mapping) else None

    def with_own(self, payload: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
        """``payload`` with our key. :raises StoreError: if what is to take it is no object."""
        if not self.own_parent:
            return {**payload, OWN_KEY: own}
        parent = payload.get(self.own_parent) or {}
        if not isinstance(parent, Mapping):
            found = f"A point has {brief(repr(parent))} as its {self.own_parent!r}"
            raise StoreError(found, f"an object, as in all points of {self.name}", "Correct or delete that point")
        return {**payload, self.own_parent: {**parent, OWN_KEY: own}}

    def without_own(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """``payload`` without our key."""
        if self.own(payload) is None:
            return dict(payload)
        if not self.own_parent:
            return {key: value for key, value in payload.items() if key != OWN_KEY}
        parent = {key: value for key, value in payload[self.own_parent].items() if key != OWN_KEY}
        return {**payload, self.own_parent: parent}

    def is_rewritten(self, payload: Mapping[str, Any]) -> bool:
        """Whether others have changed ``payload`` since we wrote it; our key may have been carried to a newer point."""
        own = self.own(payload) or {}
        return PAYLOAD_HASH in own and own[PAYLOAD_HASH] != digest(self.without_own(payload))

    def filter_paths(self, key: str) -> tuple[str, ...]:
        """The payload paths that a filter's ``key`` may mean, as Qdrant wants them: in the metadata, else beside them.

        So a tenant's key beside the metadata can be named like any other.
        """
        if not self.metadata_key:
            return key_paths(key)
        return tuple(dict.fromkeys([*key_paths(key, f"{as_path(self.metadata_key)}."), *key_paths(key)]))

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


class ScalarLayout(Layout):
    """Its reader takes texts and numbers alone, so our key holds JSON, with what filters ask for in keys beside it."""

    def own_field_path(self, name: str) -> str:
        """A key beside ours."""
        return f"{OWN_KEY}_{name}"

    def own(self, payload: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """What the JSON under our key holds; None where there is nothing of ours."""
        try:
            value = json.loads(payload.get(OWN_KEY) or "null")
        except (TypeError, ValueError, RecursionError):
            return None
        return value if isinstance(value, Mapping) else None

    def with_own(self, payload: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
        """``payload`` with our keys."""
        filtered = {self.own_field_path(name): own[name] for name in FILTERED_FIELDS if name in own}
        return {**payload, OWN_KEY: json.dumps(own, ensure_ascii=False), **filtered}

    def without_own(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """``payload`` without our keys."""
        if self.own(payload) is None:
            return dict(payload)
        ours = (OWN_KEY, *map(self.own_field_path, FILTERED_FIELDS))
        return {key: value for key, value in payload.items() if key not in ours}

    def _stack_keys(self) -> tuple[str, ...]:
        return (self.text_key, *map(self.own_field_path, FILTERED_FIELDS))


def _at(payload: Mapping[str, Any], path: str) -> Any:
    """The value at a key that may itself hold dots, or else at a dotted path; None where there is none."""
    if path in payload:
        return payload[path]
    value: Any = payload
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def key_paths(key: str, above: str = "") -> tuple[str, ...]:
    """The paths below ``above`` that ``key`` may mean: one through objects, or a single key with dots in its name."""
    return tuple(dict.fromkeys([above + as_path(key), above + _quoted(key)]))


def scalars(payload: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str | int]]:
    """The texts, integers and truth values in ``payload`` and its objects that a filter can name, with their paths."""
    for key, value in payload.items():
        if not key or '"' in key or "[" in key:
            continue
        path = above + _quoted(key)
        if isinstance(value, Mapping):
            yield from scalars(value, f"{path}.")
        elif isinstance(value, str) or (isinstance(value, int) and abs(value) < 2**63):
            yield path, value


def as_path(key: str) -> str:
    """A dotted key as Qdrant's filters want it, with what needs them in quotes."""
    return ".".join(map(_quoted, key.split(".")))


def _quoted(key: str) -> str:
    if _PLAIN_KEY.fullmatch(key):
        return key
    if '"' in key or not key:
        raise SettingsError(f"Qdrant has no way to name the payload key {key!r}", "a key without quotation marks")
    return f'"{key}"'


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
