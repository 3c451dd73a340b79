"""LlamaIndex: a transformation that fuses nodes with their queries.

    pipeline = IngestionPipeline(
        transformations=[splitter, embed_model, PassageAugmenter(augmenter, embed_model)], vector_store=…
    )

A collection that xqg augmented needs neither: `VectorStoreIndex.from_vector_store` reads it as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from xqg.extras import importing
from xqg.plugin.augmenter import Augmenter, require_vectors, to_lists
from xqg.protocols import Encoder
from xqg.records import Passage, Vectors

with importing("llamaindex", "xqg.plugin.llamaindex"):
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.schema import BaseComponent, BaseNode, MetadataMode, TransformComponent
    from llama_index.vector_stores.qdrant import QdrantVectorStore
    from pydantic import BaseModel, PrivateAttr


class _Whole(BaseComponent):
    """A component that reaches another process whole, or not at all: LlamaIndex's own leave out what cannot travel."""

    def __getstate__(self) -> dict[Any, Any]:
        return BaseModel.__getstate__(self)

    def __setstate__(self, state: dict[Any, Any]) -> None:
        BaseModel.__setstate__(self, state)


class PassageAugmenter(_Whole, TransformComponent):
    """Augments the embedding of every node; stands after the embedding model in a pipeline.

    A node has one embedding, so under the rule `views` it gets the first row; `ViewsVectorStore` writes them all. The
    queries are written from the node's text alone (and its ``title``, if its metadata has one), whatever metadata
    the embedding model was shown beside it. Nodes are copied, not changed.

    :param embed_model: the model that embedded the nodes; it embeds the queries.
    """

    identity: dict[str, Any]
    """What changes the vectors: a pipeline's cache must not give back those of another model or other weights."""

    _augmenter: Augmenter = PrivateAttr()
    _embed_model: BaseEmbedding = PrivateAttr()

    def __init__(self, augmenter: Augmenter, embed_model: BaseEmbedding) -> None:
        super().__init__(identity={"augmenter": dict(augmenter.identity), "model": embed_model.to_payload()})
        self._augmenter, self._embed_model = augmenter, embed_model

    @classmethod
    def class_name(cls) -> str:
        """The name in serialised pipelines."""
        return "XqgPassageAugmenter"

    def __call__(self, nodes: Sequence[BaseNode], **kwargs: Any) -> Sequence[BaseNode]:
        """Copies of ``nodes`` with fused embeddings. :raises EncodingError: if one has no embedding yet."""
        if not nodes:
            return []
        passages, vectors = _passages(self._augmenter, nodes), _embeddings(nodes)
        model = self._embed_model
        self._know_encoder()
        rows = self._augmenter.augment(passages, vectors, model.get_query_embedding, model.get_text_embedding_batch)
        return _with_embeddings(nodes, rows)

    async def acall(self, nodes: Sequence[BaseNode], **kwargs: Any) -> Sequence[BaseNode]:
        """The same, with the model's asynchronous calls."""
        if not nodes:
            return []
        passages, vectors = _passages(self._augmenter, nodes), _embeddings(nodes)
        model = self._embed_model
        await asyncio.to_thread(self._know_encoder)
        rows = await self._augmenter.augment_asynchronously(
            passages, vectors, model.aget_query_embedding, model.aget_text_embedding_batch
        )
        return _with_embeddings(nodes, rows)

    def _know_encoder(self) -> None:
        if isinstance(self._embed_model, EncoderEmbedding):
            self._augmenter.know_encoder(self._embed_model.encoder)


class ViewsVectorStore(_Whole, QdrantVectorStore):
    """LlamaIndex's own store, but that nodes are written as several rows into a collection of views.

    Searching, filtering and deleting are LlamaIndex's; its unmodified class reads what this one writes.

    :param augmenter: of the rule `views`: opened with ``like``, a collection of views.
    :param embed_model: that of the nodes. :param options: of `QdrantVectorStore`.
    """

    _augmenter: Augmenter = PrivateAttr()
    _embed_model: BaseEmbedding = PrivateAttr()

    def __init__(self, augmenter: Augmenter, embed_model: BaseEmbedding, **options: Any) -> None:
        super().__init__(**options)
        self._augmenter, self._embed_model = augmenter, embed_model

    def _build_points(self, nodes: list[BaseNode], sparse_vector_name: str) -> tuple[list[Any], list[str]]:
        """LlamaIndex's points with the rows in the place of the node's embedding."""
        points, ids = super()._build_points(nodes, sparse_vector_name)
        rows = self._augmenter.augment(
            _passages(self._augmenter, nodes), _embeddings(nodes), self._embed_model.get_query_embedding
        )
        for point, own in zip(points, rows, strict=True):
            point.vector = {**point.vector, self.dense_vector_name: own.tolist()}
        return points, ids


class EncoderEmbedding(_Whole, BaseEmbedding):
    """One of xqg's encoders as a LlamaIndex embedding model, for collections that xqg made with it."""

    _encoder: Encoder = PrivateAttr()

    def __init__(self, encoder: Encoder, **options: Any) -> None:
        super().__init__(model_name=str(encoder.identity.get("model", "xqg")), **options)
        self._encoder = encoder

    @classmethod
    def class_name(cls) -> str:
        """The name in serialised pipelines."""
        return "XqgEncoderEmbedding"

    @property
    def encoder(self) -> Encoder:
        """The encoder that was handed over."""
        return self._encoder

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return to_lists(self._encoder.encode_passages([Passage("", text) for text in texts]))

    def _get_query_embedding(self, query: str) -> list[float]:
        return to_lists(self._encoder.encode_queries([query]))[0]

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await asyncio.to_thread(self._get_query_embedding, query)


def _passages(augmenter: Augmenter, nodes: Sequence[BaseNode]) -> list[Passage]:
    return [
        augmenter.passage(node.node_id, node.get_content(MetadataMode.NONE), str(node.metadata.get("title") or ""))
        for node in nodes
    ]


def _embeddings(nodes: Sequence[BaseNode]) -> list[list[float]]:
    return require_vectors([node.embedding for node in nodes], "nodes")


def _with_embeddings(nodes: Sequence[BaseNode], rows: Sequence[Vectors]) -> list[BaseNode]:
    return [node.model_copy(update={"embedding": own[0].tolist()}) for node, own in zip(nodes, rows, strict=True)]
