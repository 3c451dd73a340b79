"""The layouts of the stacks that write to Qdrant, and which of them a collection's payloads have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from xqg.errors import SettingsError, StoreError
from xqg.layouts import OWN_KEY, Layout, LlamaIndexLayout, ScalarLayout

LLAMAINDEX = LlamaIndexLayout("llamaindex", ("_node_content",), "text")
PLAIN = Layout("plain", ("text",), "text")
LAYOUTS = (
    LLAMAINDEX,
    # Haystack 2 refuses to read a document with a key beside "meta"; Haystack 3 takes such a key into "meta"
    Layout("haystack", ("content", "meta"), "content", "meta", own_parent="meta"),
    # also Dify, with the tenant's "group_id" beside the metadata
    Layout("langchain", ("page_content",), "page_content", "metadata"),
    # also n8n and Flowise, which are built on LangChain.js
    Layout("langchainjs", ("content", "metadata"), "content", "metadata"),
    Layout("openwebui", ("text", "metadata"), "text", "metadata"),
    Layout("lightrag", ("content", "full_doc_id"), "content"),
    Layout("mem0", ("data", "hash"), "data"),
    Layout("springai", ("doc_content",), "doc_content"),
    ScalarLayout("langchain4j", ("text_segment",), "text_segment"),
    Layout("mcp", ("document",), "document", "metadata"),
    PLAIN,
)
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
                f"Name where they keep what: {_flags(payloads)}",
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
            f"Name another --layout, or where they keep what: {_flags(payloads)}",
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


def _flags(payloads: Sequence[Mapping[str, Any]]) -> str:
    """The options that say how ``payloads`` are read, by a guess: the text is longest, the metadata are an object."""
    lengths: dict[str, int] = {}
    objects: dict[str, int] = {}
    for payload in payloads:
        for key, value in payload.items():
            if isinstance(value, str):
                lengths[key] = lengths.get(key, 0) + len(value)
            elif isinstance(value, Mapping) and key != OWN_KEY:
                objects[key] = objects.get(key, 0) + 1
                for inner, text in value.items():
                    if isinstance(text, str):
                        lengths[f"{key}.{inner}"] = lengths.get(f"{key}.{inner}", 0) + len(text)
    text_key = max(lengths, key=lambda key: lengths[key], default="KEY")
    metadata_key = max(objects, key=lambda key: objects[key], default="")
    return f"--text-key {text_key}" + (f" --metadata-key {metadata_key}" if metadata_key else "")


def _keys(payloads: Sequence[Mapping[str, Any]]) -> str:
    keys = dict.fromkeys(key for payload in payloads for key in payload)
    return ", ".join(repr(key) for key in list(keys)[:12]) or "none"
