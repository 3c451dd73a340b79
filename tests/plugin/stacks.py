"""The stacks by their own classes, as their users call them: write a collection, read it, filter it, change it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import pytest
from qdrant_client import QdrantClient, models

from tests.augment.setting import vector_of
from tests.fakes import WORDS

DOCUMENTS = (
    ("battery battery is full", {"title": "Charging", "page": 1, "language": "en"}),
    ("invoice is late", {"title": "Billing", "page": 2, "language": "en"}),
    ("wifi is gone", {"title": "Network", "page": 3, "language": "en"}),
)

Found = list[tuple[str, dict[str, Any]]]


def sparse_of(text: str) -> dict[str, Any]:
    """A sparse vector: each word's place with its count."""
    counts = {place: float(number) for place, number in enumerate(vector_of(text)) if number}
    return {"indices": list(counts), "values": list(counts.values())}


class Stack(ABC):
    """One way to use one stack. ``layout`` is what xqg should recognise, ``sparse`` the name of its sparse vector."""

    layout: str
    package: str
    sparse: str | None = None

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = QdrantClient(url=url, check_compatibility=False)

    @abstractmethod
    def write(self, name: str, documents: Sequence[tuple[str, dict[str, Any]]] = DOCUMENTS) -> None:
        """Write texts with their metadata."""

    @abstractmethod
    def search(self, name: str, text: str, page: int | None = None) -> Found:
        """Texts and metadata, best first; only those of ``page`` where it is given."""

    @abstractmethod
    def delete(self, name: str, text: str) -> None:
        """Delete the document with this text."""

    @abstractmethod
    def ids(self, name: str) -> dict[str, Any]:
        """Ids as the stack gives them, by text."""


class LangChain(Stack):
    layout, package = "langchain", "langchain_qdrant"

    def options(self) -> dict[str, Any]:
        return {"embedding": _langchain_embeddings()}

    def open(self, name: str) -> Any:
        from langchain_qdrant import QdrantVectorStore

        return QdrantVectorStore(client=self.client, collection_name=name, **self.options())

    def write(self, name: str, documents: Sequence[tuple[str, dict[str, Any]]] = DOCUMENTS) -> None:
        from langchain_qdrant import QdrantVectorStore

        texts, metadatas = [text for text, _ in documents], [metadata for _, metadata in documents]
        options = {"metadatas": metadatas, "url": self.url, "collection_name": name, **self.options()}
        QdrantVectorStore.from_texts(texts, check_compatibility=False, **options)

    def search(self, name: str, text: str, page: int | None = None) -> Found:
        found = self.open(name).similarity_search(text, k=3, filter=_page_filter(page))
        return [(document.page_content, _without(document.metadata, "_id", "_collection_name")) for document in found]

    def delete(self, name: str, text: str) -> None:
        self.open(name).delete([self.ids(name)[text]])

    def ids(self, name: str) -> dict[str, Any]:
        found = self.open(name).similarity_search("is", k=10)
        return {document.page_content: document.metadata["_id"] for document in found}


class LangChainHybrid(LangChain):
    sparse = "langchain-sparse"

    def options(self) -> dict[str, Any]:
        from langchain_qdrant import RetrievalMode

        return {**super().options(), "sparse_embedding": _langchain_sparse(), "retrieval_mode": RetrievalMode.HYBRID}


class LlamaIndex(Stack):
    layout, package = "llamaindex", "llama_index.vector_stores.qdrant"
    options: dict[str, Any] = {}  # noqa: RUF012

    def open(self, name: str) -> Any:
        from llama_index.vector_stores.qdrant import QdrantVectorStore

        return QdrantVectorStore(collection_name=name, client=self.client, **self.options)

    def write(self, name: str, documents: Sequence[tuple[str, dict[str, Any]]] = DOCUMENTS) -> None:
        from llama_index.core.schema import MetadataMode, NodeRelationship, RelatedNodeInfo, TextNode

        nodes = []
        for text, metadata in documents:
            node = TextNode(text=text, metadata=metadata)
            node.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id=f"doc of {text}")
            node.embedding = vector_of(node.get_content(MetadataMode.EMBED))  # as its own pipeline does
            nodes.append(node)
        self.open(name).add(nodes)

    def search(self, name: str, text: str, page: int | None = None) -> Found:
        nodes = self.query(name, text, page).nodes
        return [(node.get_content(), dict(node.metadata)) for node in nodes or ()]

    def query(self, name: str, text: str, page: int | None = None) -> Any:
        from llama_index.core.vector_stores import MetadataFilter, MetadataFilters, VectorStoreQuery

        filters = MetadataFilters(filters=[MetadataFilter(key="page", value=page)]) if page else None
        return self.open(name).query(
            VectorStoreQuery(query_embedding=vector_of(text), similarity_top_k=3, filters=filters, **self.asked(text))
        )

    def asked(self, text: str) -> dict[str, Any]:
        return {}

    def delete(self, name: str, text: str) -> None:
        self.open(name).delete(f"doc of {text}")

    def ids(self, name: str) -> dict[str, Any]:
        return {node.get_content(): node.node_id for node in self.query(name, "battery").nodes}


class LlamaIndexHybrid(LlamaIndex):
    sparse = "text-sparse-new"

    def __init__(self, url: str) -> None:
        super().__init__(url)

        def encode(texts: list[str]) -> tuple[list[list[int]], list[list[float]]]:
            vectors = [sparse_of(text) for text in texts]
            return [vector["indices"] for vector in vectors], [vector["values"] for vector in vectors]

        self.options = {"enable_hybrid": True, "sparse_doc_fn": encode, "sparse_query_fn": encode}

    def asked(self, text: str) -> dict[str, Any]:
        from llama_index.core.vector_stores.types import VectorStoreQueryMode

        return {"query_str": text, "mode": VectorStoreQueryMode.HYBRID, "sparse_top_k": 3}


class Haystack(Stack):
    layout, package = "haystack", "haystack_integrations.document_stores.qdrant"

    def open(self, name: str) -> Any:
        from haystack_integrations.document_stores.qdrant import QdrantDocumentStore

        return QdrantDocumentStore(
            url=self.url,
            index=name,
            embedding_dim=len(WORDS),
            use_sparse_embeddings=self.sparse is not None,
            progress_bar=False,
            client_kwargs={"check_compatibility": False},
        )

    def write(self, name: str, documents: Sequence[tuple[str, dict[str, Any]]] = DOCUMENTS) -> None:
        from haystack import Document
        from haystack.dataclasses import SparseEmbedding
        from haystack.document_stores.types import DuplicatePolicy

        written = [
            Document(
                content=text,
                meta=metadata,
                embedding=vector_of(text),
                sparse_embedding=SparseEmbedding(**sparse_of(text)) if self.sparse else None,
            )
            for text, metadata in documents
        ]
        self.open(name).write_documents(written, DuplicatePolicy.OVERWRITE)

    def search(self, name: str, text: str, page: int | None = None) -> Found:
        filters = {"field": "meta.page", "operator": "==", "value": page} if page else None
        retriever, asked = self.retriever(self.open(name), text)
        found = retriever.run(**asked, filters=filters, top_k=3)["documents"]
        return [(document.content, _without(document.meta, "xqg")) for document in found]

    def retriever(self, store: Any, text: str) -> tuple[Any, dict[str, Any]]:
        from haystack_integrations.components.retrievers.qdrant import QdrantEmbeddingRetriever

        return QdrantEmbeddingRetriever(store), {"query_embedding": vector_of(text)}

    def delete(self, name: str, text: str) -> None:
        self.open(name).delete_documents([self.ids(name)[text]])

    def ids(self, name: str) -> dict[str, Any]:
        return {document.content: document.id for document in self.open(name).filter_documents()}


class HaystackHybrid(Haystack):
    sparse = "text-sparse"

    def retriever(self, store: Any, text: str) -> tuple[Any, dict[str, Any]]:
        from haystack.dataclasses import SparseEmbedding
        from haystack_integrations.components.retrievers.qdrant import QdrantHybridRetriever

        sparse = SparseEmbedding(**sparse_of(text))
        return QdrantHybridRetriever(store), {"query_embedding": vector_of(text), "query_sparse_embedding": sparse}


class McpServer(Stack):
    """mcp-server-qdrant 0.8.1 as its ``qdrant.py`` does it; its package pins versions that are older than ours."""

    layout, package = "mcp", "qdrant_client"
    vector = "fast-words"

    def write(self, name: str, documents: Sequence[tuple[str, dict[str, Any]]] = DOCUMENTS) -> None:
        import uuid

        if not self.client.collection_exists(name):
            params = models.VectorParams(size=len(WORDS), distance=models.Distance.COSINE)
            self.client.create_collection(name, vectors_config={self.vector: params})
            self.client.create_payload_index(name, "metadata.page", models.PayloadSchemaType.INTEGER)
        for text, metadata in documents:
            payload = {"document": text, "metadata": metadata}
            point = models.PointStruct(id=uuid.uuid4().hex, vector={self.vector: vector_of(text)}, payload=payload)
            self.client.upsert(name, [point])

    def search(self, name: str, text: str, page: int | None = None) -> Found:
        found = self.client.query_points(
            name,
            query=vector_of(text),
            using=self.vector,
            limit=3,
            query_filter=_page_filter(page),
        )
        return [(point.payload["document"], point.payload.get("metadata")) for point in found.points if point.payload]

    def delete(self, name: str, text: str) -> None:
        self.client.delete(name, [self.ids(name)[text]])

    def ids(self, name: str) -> dict[str, Any]:
        return {point.payload["document"]: point.id for point in self.client.scroll(name)[0] if point.payload}


STACKS: tuple[type[Stack], ...] = (
    LangChain,
    LangChainHybrid,
    LlamaIndex,
    LlamaIndexHybrid,
    Haystack,
    HaystackHybrid,
    McpServer,
)


def make_stack(kind: type[Stack], url: str) -> Stack:
    pytest.importorskip(kind.package)
    return kind(url)


def _page_filter(page: int | None) -> models.Filter | None:
    """What LangChain's users and mcp-server-qdrant's write for themselves: Qdrant's own filter."""
    if page is None:
        return None
    return models.Filter(must=[models.FieldCondition(key="metadata.page", match=models.MatchValue(value=page))])


def _without(values: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in keys}


def _langchain_embeddings() -> Any:
    from langchain_core.embeddings import Embeddings

    class Words(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [self.embed_query(text) for text in texts]

        def embed_query(self, text: str) -> list[float]:
            return vector_of(text)

    return Words()


def _langchain_sparse() -> Any:
    from langchain_qdrant.sparse_embeddings import SparseEmbeddings, SparseVector

    class Counts(SparseEmbeddings):
        def embed_documents(self, texts: list[str]) -> list[SparseVector]:
            return [self.embed_query(text) for text in texts]

        def embed_query(self, text: str) -> SparseVector:
            return SparseVector(**sparse_of(text))

    return Counts()
