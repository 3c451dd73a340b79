"""Haystack: one component between embedder and writer; queries are looked up by document id."""

from __future__ import annotations

from haystack import Document, Pipeline
from haystack.components.writers import DocumentWriter
from haystack_integrations.components.retrievers.qdrant import QdrantEmbeddingRetriever
from haystack_integrations.document_stores.qdrant import QdrantDocumentStore
from help_centre import CORPUS, QUERIES, read_lines

from xqg.plugin.haystack import EncoderDocumentEmbedder, EncoderTextEmbedder, PassageAugmenter

store = QdrantDocumentStore(":memory:", embedding_dim=384)
indexing = Pipeline()
indexing.add_component("embedder", EncoderDocumentEmbedder())
settings = {"generator": {"spec": f"file:{QUERIES}"}}
# embedders of your own: PassageAugmenter(text_embedder, settings, document_embedder=document_embedder)
indexing.add_component("augmenter", PassageAugmenter(EncoderTextEmbedder(), settings))
indexing.add_component("writer", DocumentWriter(store))
indexing.connect("embedder", "augmenter")
indexing.connect("augmenter", "writer")
documents = [Document(id=line["id"], content=line["text"]) for line in read_lines(CORPUS)]
indexing.run({"embedder": {"documents": documents}})

asking = Pipeline()
asking.add_component("embedder", EncoderTextEmbedder())
asking.add_component("retriever", QdrantEmbeddingRetriever(store, top_k=2))
asking.connect("embedder.embedding", "retriever.query_embedding")
for document in asking.run({"embedder": {"text": "mot de passe oublié"}})["retriever"]["documents"]:
    print(f"{document.score:.3f}  {document.id}")
