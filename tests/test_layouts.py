"""Payloads as the stacks write them, by their own classes where those can be had, and what is read from them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from xqg.errors import SettingsError, StoreError
from xqg.known_layouts import LAYOUTS, choose_layout, layout_from_json, recognise

NODE = {
    "text": "Hold the button.",
    "metadata": {"title": "Pairing", "page": 3, "secret": "no"},
    "excluded_embed_metadata_keys": ["secret"],
    "metadata_template": "{key}={value}",
    "metadata_separator": "; ",
    "text_template": "[{metadata_str}] {content}",
}
PAYLOADS: dict[str, dict[str, Any]] = {
    "langchain": {"page_content": "Hold the button.", "metadata": {"title": "Pairing", "lang": "en-GB"}},
    "llamaindex": {"_node_content": json.dumps(NODE), "_node_type": "TextNode", "title": "Pairing", "doc_id": "d"},
    "haystack": {"id": "0a", "content": "Hold the button.", "blob": None, "meta": {"title": "Pairing"}, "score": None},
    "langchainjs": {"content": "Hold the button.", "metadata": {"title": "Pairing", "loc": {"pageNumber": 1}}},
    "openwebui": {"text": "Hold the button.", "metadata": {"title": "Pairing"}, "tenant_id": "kb-1"},
    "lightrag": {"id": "chunk-0", "content": "Hold the button.", "full_doc_id": "d", "title": "Pairing"},
    "mem0": {"data": "Hold the button.", "hash": "h", "user_id": "ann", "title": "Pairing"},
    "springai": {"doc_content": "Hold the button.", "title": "Pairing"},
    "langchain4j": {"text_segment": "Hold the button.", "title": "Pairing"},
    "mcp": {"document": "Hold the button.", "metadata": None},
    "plain": {"text": "Hold the button.", "title": "Pairing", "language": "EN"},
}


def english(text: str) -> str:
    return "en"


@pytest.mark.parametrize("name", PAYLOADS)
def test_each_layout_is_recognised_and_read(name: str) -> None:
    layout = recognise([PAYLOADS[name]])
    assert layout is not None
    assert layout.name == name
    passage = layout.passage("7", PAYLOADS[name], english)
    assert (passage.id, passage.text, passage.language) == ("7", "Hold the button.", "en")
    assert passage.title == ("" if name == "mcp" else "Pairing")


def test_metadata_leave_out_the_text_and_what_is_the_stacks_own() -> None:
    read = {layout.name: layout.metadata({**PAYLOADS[layout.name], "xqg": {}}) for layout in LAYOUTS}
    assert read["langchain"] == {"title": "Pairing", "lang": "en-GB"}
    assert read["llamaindex"] == {"title": "Pairing"}
    assert read["haystack"] == {"title": "Pairing"}
    assert read["mcp"] == {}
    assert read["plain"] == {"title": "Pairing", "language": "EN"}


def test_filters_name_the_paths_that_the_stack_uses() -> None:
    paths = {layout.name: layout.filter_paths("page no") for layout in LAYOUTS}
    flat = ('"page no"',)
    below = ('metadata."page no"', '"page no"')
    assert paths == {
        "llamaindex": flat,
        "haystack": ('meta."page no"', '"page no"'),
        "langchain": below,
        "langchainjs": below,
        "openwebui": below,
        "lightrag": flat,
        "mem0": flat,
        "springai": flat,
        "langchain4j": flat,
        "mcp": below,
        "plain": flat,
    }


def test_a_dotted_key_is_a_path_or_a_name_in_the_metadata_or_beside_them() -> None:
    (layout,) = (layout for layout in LAYOUTS if layout.name == "langchainjs")
    assert layout.filter_paths("loc.page") == ("metadata.loc.page", 'metadata."loc.page"', "loc.page", '"loc.page"')
    assert "tenant_id" in layout.filter_paths("tenant_id")


def test_llamaindex_embedded_the_metadata_in_its_own_templates() -> None:
    (layout,) = (layout for layout in LAYOUTS if layout.name == "llamaindex")
    assert layout.embedded_texts(PAYLOADS["llamaindex"]) == (
        "[title=Pairing; page=3] Hold the button.",
        "Hold the button.",
    )
    hostile = {**NODE, "text_template": "{content.__class__} {content}"}
    assert "{content.__class__}" in layout.embedded_texts({"_node_content": json.dumps(hostile)})[0]


@pytest.mark.parametrize(
    ("node", "text"),
    [
        ('{"text_resource": {"text": "new"}}', "new"),
        ('{"text": "old"}', "old"),
        ("{broken", "beside"),
        ("[]", "beside"),
        (None, "beside"),
    ],
)
def test_llamaindex_text_in_all_its_places(node: str | None, text: str) -> None:
    (layout,) = (layout for layout in LAYOUTS if layout.name == "llamaindex")
    assert layout.text({"_node_content": node, "text": "beside"}) == text


def test_most_payloads_decide() -> None:
    assert recognise([]) is None
    assert recognise([{"x": 1}]) is None
    mixed = recognise([PAYLOADS["plain"], PAYLOADS["mcp"], PAYLOADS["mcp"]])
    assert mixed is not None
    assert mixed.name == "mcp"


def test_what_the_user_names_comes_first() -> None:
    foreign = [{"body": {"value": "Hold."}, "info": {"title": "T"}}]
    layout = choose_layout(foreign, text_key="body.value", metadata_key="info")
    passage = layout.passage("1", foreign[0], english)
    assert (passage.text, passage.title) == ("Hold.", "T")
    assert layout_from_json(layout.to_json()).text(foreign[0]) == "Hold."
    assert choose_layout([PAYLOADS["plain"]], name="plain", text_key="title").text(PAYLOADS["plain"]) == "Pairing"


def test_what_cannot_be_read_is_said() -> None:
    with pytest.raises(StoreError, match=r"keys 'a', 'b'.*--text-key KEY"):
        choose_layout([{"a": 1, "b": 2}])
    unknown = [{"id": "7", "body": "A longer text.", "info": {"page": 1}, "kind": "x"}]
    with pytest.raises(StoreError, match=r"keys 'id', 'body', 'info', 'kind'.*--text-key body --metadata-key info"):
        choose_layout(unknown)
    with pytest.raises(StoreError, match=r"--text-key doc\.body --metadata-key doc"):
        choose_layout([{"doc": {"body": "A text."}}])
    with pytest.raises(StoreError, match="None of 1 sampled points has a text at 'page_content'"):
        choose_layout([{"page_content": " ", "metadata": {}}])
    with pytest.raises(SettingsError, match="Unknown layout 'lang'"):
        choose_layout([PAYLOADS["plain"]], name="lang")
    with pytest.raises(StoreError, match="Update xqg"):
        layout_from_json({"name": "later", "text_key": "t", "metadata_key": ""})


def test_a_language_that_is_none_is_detected() -> None:
    payload = {"page_content": "Hold.", "metadata": {"language": "python"}}
    (layout,) = (layout for layout in LAYOUTS if layout.name == "langchain")
    assert layout.passage("1", payload, lambda text: "de").language == "de"


@pytest.mark.parametrize("name", PAYLOADS)
def test_our_key_goes_in_and_comes_out_and_the_rest_stays(name: str) -> None:
    (layout,) = (layout for layout in LAYOUTS if layout.name == name)
    written = layout.with_own(PAYLOADS[name], {"queries": {}})
    assert layout.own(written) == {"queries": {}}
    assert layout.own(PAYLOADS[name]) is None
    assert layout.without_own(written) == PAYLOADS[name] == layout.without_own(PAYLOADS[name])
    assert layout.metadata(written) == layout.metadata(PAYLOADS[name])


def test_langchain4j_reads_texts_and_numbers_alone() -> None:
    (layout,) = (layout for layout in LAYOUTS if layout.name == "langchain4j")
    own = {"queries": {"fr": ["où ?"]}, "document_hash": "h", "plain_vector": "AAAA"}
    written = layout.with_own(PAYLOADS["langchain4j"], own)
    assert all(isinstance(value, str | int | float) for value in written.values())
    assert (written["xqg_document_hash"], written["xqg_plain_vector"]) == ("h", "AAAA")
    assert layout.own(written) == own
    assert layout.own({**written, "xqg": "{broken"}) is None
    assert layout.own_field_path("document_hash") == "xqg_document_hash"


def test_haystack_takes_no_key_beside_its_meta() -> None:
    (layout,) = (layout for layout in LAYOUTS if layout.name == "haystack")
    written = layout.with_own({**PAYLOADS["haystack"], "meta": None}, {"queries": {}})
    assert written["meta"] == {"xqg": {"queries": {}}}
    assert layout.own_path == "meta.xqg"


@pytest.mark.parametrize("meta", ["manual.pdf, page 3", ["a"]])
def test_what_has_no_object_as_its_meta_is_not_haystack(meta: object) -> None:
    payload = {"content": "Hold the button.", "meta": meta}
    assert recognise([payload]) is None
    (layout,) = (layout for layout in LAYOUTS if layout.name == "haystack")
    with pytest.raises(StoreError, match="as its 'meta'"):
        layout.with_own(payload, {})


@pytest.mark.parametrize(("passage_id", "expected"), [("7", 7), ("a-7", "a-7"), ("²", "²"), ("٣", "٣"), ("--5", "--5")])
def test_a_passage_id_of_digits_is_a_number(passage_id: str, expected: int | str) -> None:
    assert LAYOUTS[0].point_id(passage_id) == expected
