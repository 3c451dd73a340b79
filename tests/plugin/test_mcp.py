"""The MCP server with the SDK's own client, on collections that each stack's own library wrote."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from haystack import Document
from haystack_integrations.document_stores.qdrant import QdrantDocumentStore
from langchain_qdrant import QdrantVectorStore as LangChainStore
from llama_index.core.schema import TextNode
from llama_index.vector_stores.qdrant import QdrantVectorStore as LlamaIndexStore
from mcp import Client, StdioServerParameters, stdio_client
from qdrant_client import models

from tests.augment.setting import Bench, make_source
from tests.fakes import FakeEncoder
from tests.plugin.fakes import TEXTS, counts
from tests.plugin.test_langchain import CountingEmbeddings
from tests.stores.wire import WireServer
from xqg.cli import main
from xqg.errors import FingerprintError, SettingsError, StoreError
from xqg.plugin import mcp as plugin
from xqg.plugin.mcp import ReadingSettings, build_server, open_reader
from xqg.search.searcher import Searcher
from xqg.settings import EncoderSettings, StoreSettings

UUID = "00000000-0000-0000-0000-00000000000{}"
SIZE = models.VectorParams(size=8, distance=models.Distance.COSINE)


@pytest.fixture(autouse=True)
def fake_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bundled encoder's place is taken by the one that counts words."""
    monkeypatch.setattr(plugin, "build_encoder", lambda settings, for_search=False: FakeEncoder())


def read(wire: WireServer, **options: Any) -> Searcher:
    given = {"encoder": EncoderSettings(), **options}
    return open_reader(ReadingSettings(store=StoreSettings(spec=wire.url, collection="docs"), **given))


def call(reader: Searcher, tool: str, **arguments: Any) -> Any:
    """The structured result of a tool; the text of an error."""

    async def run() -> Any:
        async with Client(build_server(reader, "docs")) as client:
            result = await client.call_tool(tool, arguments)
            return result.content[0].text if result.is_error else result.structured_content

    return asyncio.run(run())


def write_langchain(wire: WireServer) -> None:
    wire.local.create_collection("docs", vectors_config={"": SIZE})
    metadatas = [{"title": "T", "section": row} for row in range(3)]
    LangChainStore(wire.local, "docs", CountingEmbeddings()).add_texts(
        TEXTS, metadatas, ids=[UUID.format(row) for row in range(3)]
    )


def write_llamaindex(wire: WireServer) -> None:
    nodes = [
        TextNode(text=text, id_=UUID.format(row), metadata={"title": "T", "section": row}, embedding=counts(text))
        for row, text in enumerate(TEXTS)
    ]
    LlamaIndexStore("docs", client=wire.local).add(nodes)


def write_haystack(wire: WireServer) -> None:
    store = QdrantDocumentStore(":memory:", index="docs", embedding_dim=8)
    store._client = wire.local
    wire.local.create_collection("docs", vectors_config=SIZE)
    store.write_documents(
        [
            Document(content=text, meta={"title": "T", "section": row}, embedding=counts(text))
            for row, text in enumerate(TEXTS)
        ]
    )


def write_mcp_server_qdrant(wire: WireServer) -> None:
    wire.local.create_collection("docs", vectors_config={"fast-all-minilm-l6-v2": SIZE})
    points = [
        models.PointStruct(
            id=UUID.format(row),
            vector={"fast-all-minilm-l6-v2": counts(text)},
            payload={"document": text, "metadata": {"title": "T", "section": row}},
        )
        for row, text in enumerate(TEXTS)
    ]
    wire.local.upsert("docs", points)


@pytest.mark.parametrize("write", [write_langchain, write_llamaindex, write_haystack, write_mcp_server_qdrant])
class TestForeignCollections:
    def test_search_and_show(self, wire: WireServer, write: Any) -> None:
        write(wire)
        reader = read(wire)
        hits = call(reader, "search", query="wifi", limit=2)["hits"]
        assert (len(hits), hits[0]["text"]) == (2, TEXTS[2])
        assert hits[0]["score"] == pytest.approx(2**-0.5)
        assert (hits[0]["title"], hits[0]["metadata"]["section"]) == ("T", 2)
        shown = call(reader, "show", id=hits[0]["id"])
        assert (shown["text"], shown["metadata"]["section"], shown["queries"]) == (TEXTS[2], 2, {})
        reader.close()

    def test_filters(self, wire: WireServer, write: Any) -> None:
        write(wire)
        hits = call(read(wire), "search", query="wifi", filters={"section": 1})["hits"]
        assert [hit["text"] for hit in hits] == [TEXTS[1]]

    @pytest.mark.parametrize(
        "filters",
        [
            {"section": {">": 1}},
            {"section": {"!=": [0, 1]}},
            {"section": [2.0, 7]},
            ["section>=2"],
            ["section!=[0, 1]"],
        ],
    )
    def test_filters_that_compare(self, wire: WireServer, write: Any, filters: Any) -> None:
        write(wire)
        hits = call(read(wire), "search", query="wifi", filters=filters)["hits"]
        assert [hit["text"] for hit in hits] == [TEXTS[2]]

    def test_nothing_is_written(self, wire: WireServer, write: Any) -> None:
        write(wire)
        call(read(wire), "search", query="wifi")
        assert not wire.named("^(PUT|PATCH|DELETE) ")


class TestOtherKeys:
    def test_text_metadata_and_vector_can_be_named(self, wire: WireServer) -> None:
        wire.local.create_collection("docs", vectors_config={"small": SIZE, "large": SIZE})
        payload = {"body": {"de": "batterie"}, "about": {"section": 7}}
        vector = {"small": counts("battery"), "large": counts("valve")}
        wire.local.upsert("docs", [models.PointStruct(id=7, vector=vector, payload=payload)])
        with pytest.raises(StoreError, match=r"'small', 'large'.*--vector-name"):
            read(wire)
        with pytest.raises(StoreError, match=r"'body', 'about'.*--text-key"):
            read(wire, vector_name="small")
        reader = read(wire, vector_name="large", text_key="body.de", metadata_key="about")
        (hit,) = call(reader, "search", query="valve")["hits"]
        assert hit == {
            "id": "7",
            "title": "",
            "text": "batterie",
            "metadata": {"section": 7},
            "score": pytest.approx(1),
        }
        assert call(reader, "show", id="7")["text"] == "batterie"

    def test_long_texts_are_cut_in_hits_only(self, wire: WireServer) -> None:
        wire.local.create_collection("docs", vectors_config=SIZE)
        text = "battery " * 1000
        wire.local.upsert("docs", [models.PointStruct(id=1, vector=counts("battery"), payload={"text": text})])
        reader = read(wire)
        assert len(call(reader, "search", query="battery")["hits"][0]["text"]) == 2002
        assert call(reader, "show", id="1")["text"] == text


class TestMistakes:
    def test_an_assistant_reads_what_was_wrong(self, wire: WireServer) -> None:
        write_langchain(wire)
        reader = read(wire)
        assert "No passage 'nobody'" in call(reader, "show", id="nobody")
        assert "No passage" in call(reader, "show", id=UUID.format(9))
        assert "query is empty" in call(reader, "search", query="  ")
        assert "less than or equal to 50" in call(reader, "search", query="wifi", limit=1000)

    def test_the_encoder_has_to_be_known_and_to_fit(self, wire: WireServer, monkeypatch: pytest.MonkeyPatch) -> None:
        write_langchain(wire)
        with pytest.raises(SettingsError, match="--encoder"):
            read(wire, encoder=None)
        monkeypatch.setattr(FakeEncoder, "dimension", 384)
        with pytest.raises(StoreError, match=r"8 dimensions.*384"):
            read(wire)

    def test_a_missing_collection(self, wire: WireServer) -> None:
        with pytest.raises(StoreError, match="no collection 'docs'"):
            read(wire)

    def test_the_tools_say_that_they_only_read(self, wire: WireServer) -> None:
        write_langchain(wire)

        async def tools() -> Any:
            async with Client(build_server(read(wire), "docs")) as client:
                return (await client.list_tools()).tools

        found = asyncio.run(tools())
        assert {tool.name: tool.annotations.read_only_hint for tool in found} == {"search": True, "show": True}
        assert all(tool.description and tool.output_schema for tool in found)


PLACE = ["--store", "edge:data", "--collection", "help"]


@pytest.fixture
def own_collection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that `xqg ingest` made, with the bundled encoder."""
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    Path("corpus.jsonl").write_text(json.dumps({"id": "a", "text": "Press the button.", "language": "en"}), "utf-8")
    query = {"passage_id": "a", "language": "fr", "query": "Comment faire ?"}
    Path("queries.jsonl").write_text(json.dumps(query), encoding="utf-8")
    made = CliRunner().invoke(main, ["ingest", "corpus.jsonl", *PLACE, "--generator", "file:queries.jsonl"])
    assert made.exit_code == 0, made.output


@pytest.mark.usefixtures("own_collection")
class TestCommand:
    def test_an_assistant_starts_it_and_searches(self) -> None:
        async def run() -> Any:
            command = StdioServerParameters(
                command=sys.executable, args=["-m", "xqg.cli", "--quiet", "mcp", *PLACE], env=dict(os.environ)
            )
            async with Client(stdio_client(command)) as client:
                found = (await client.call_tool("search", {"query": "Comment faire ?"})).structured_content
                shown = (await client.call_tool("show", {"id": found["hits"][0]["id"]})).structured_content
                return found, shown

        found, shown = asyncio.run(run())
        assert [hit["id"] for hit in found["hits"]] == ["a"]
        assert (shown["text"], shown["queries"]) == ("Press the button.", {"fr": ["Comment faire ?"]})

    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            (["--text-key", "body"], 2, "text_key says how payloads of other software are read"),
            (["--collection", "other"], 1, "There is no collection 'other'"),
            (["--encoder", "gpt"], 2, "choose bundled"),
        ],
    )
    def test_mistakes_are_one_line(self, arguments: list[str], code: int, message: str) -> None:
        result = CliRunner().invoke(main, ["mcp", *PLACE, *arguments])
        assert (result.exit_code, result.output.count("\n")) == (code, 1), result.output
        assert message in result.output


def test_a_collection_that_xqg_augmented_says_itself_how_it_is_read(
    wire: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_source(wire)
    Bench(wire).augment()
    reader = open_reader(ReadingSettings(store=StoreSettings(spec=wire.url, collection="better")))
    (hit, *_) = call(reader, "search", query="wifi")["hits"]
    assert hit["text"] == "wifi is gone"
    assert "xqg" not in hit["metadata"]
    queries = call(reader, "show", id=hit["id"])["queries"]
    assert queries == {"fr": ["fr 0 wifi", "fr 1 wifi"], "ja": ["ja 0 wifi", "ja 1 wifi"]}
    monkeypatch.setattr(FakeEncoder, "identity", {"kind": "other"})
    with pytest.raises(FingerprintError, match="kind"):
        open_reader(ReadingSettings(store=StoreSettings(spec=wire.url, collection="better")))
