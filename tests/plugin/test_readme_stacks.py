"""The examples of docs/stacks, run with the stacks themselves; only the models are fakes."""

from __future__ import annotations

from typing import Any

from haystack import Document, Pipeline
from haystack.components.writers import DocumentWriter
from haystack_integrations.document_stores.qdrant import QdrantDocumentStore
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import Document as LlamaIndexDocument
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import QdrantClient, models

from tests.plugin.fakes import TEXTS
from tests.plugin.test_haystack import CountingDocumentEmbedder, CountingTextEmbedder
from tests.plugin.test_langchain import CountingEmbeddings
from tests.plugin.test_llamaindex import CountingEmbedding
from tests.stores.wire import WireServer
from tests.test_readme import DOCS, python_blocks

PAGES = [DOCS / "stacks" / f"{name}.md" for name in ("index", "langchain", "llamaindex", "haystack")]


def test_the_examples_run(wire: WireServer) -> None:
    nodes = QdrantVectorStore("nodes", client=QdrantClient(":memory:"))
    files = QdrantDocumentStore(":memory:", embedding_dim=8)
    pipeline = Pipeline()
    pipeline.add_component("embedder", CountingDocumentEmbedder())
    pipeline.add_component("writer", DocumentWriter(files))
    names: dict[str, Any] = {
        "texts": TEXTS,
        "url": wire.url,
        "embeddings": CountingEmbeddings(),
        "splitter": SentenceSplitter(),
        "embed_model": CountingEmbedding(),
        "vector_store": nodes,
        "documents": [LlamaIndexDocument(text=text) for text in TEXTS],
        "text_embedder": CountingTextEmbedder(),
        "document_embedder": CountingDocumentEmbedder(),
        "pipeline": pipeline,
    }
    size = models.VectorParams(size=8, distance=models.Distance.COSINE)
    wire.local.create_collection("docs-xqg", vectors_config=size)
    wire.local.upsert("docs-xqg", [models.PointStruct(id=1, vector=[1.0] * 8, payload={"page_content": "battery"})])
    for page in PAGES:
        for block in python_blocks(page):
            exec(compile(block, page.name, "exec"), names)
    assert [document.page_content for document in names["found"]] == ["battery"]
    pipeline.run({"embedder": {"documents": [Document(content=text) for text in TEXTS]}})
    counts = (wire.local.count("help").count, nodes.client.count("nodes").count, files.count_documents())
    assert counts == (3, 3, 3)
