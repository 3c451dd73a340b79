"""LangChain: embeddings that fuse documents with their queries.

    embeddings = AugmentedEmbeddings(your_embeddings, augmenter)
    store = QdrantVectorStore.from_texts(texts, embeddings, url=…, collection_name=…)

A collection that xqg augmented needs neither: `QdrantVectorStore.from_existing_collection` reads it as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from xqg.errors import SettingsError
from xqg.extras import importing
from xqg.plugin.augmenter import Augmenter, to_lists
from xqg.protocols import Encoder
from xqg.records import Passage, digest

with importing("langchain", "xqg.plugin.langchain"):
    from langchain_core.embeddings import Embeddings

PROBE = ["dummy_text"]
"""What langchain-qdrant embeds to learn the size of the vectors; no reason to write queries."""


class AugmentedEmbeddings(Embeddings):
    """An embedding model whose documents are augmented; queries pass through unchanged.

    With an augmenter of the rule `views` (``like=`` a collection of views) a document's vector is a list of rows, which
    `QdrantVectorStore` hands on to Qdrant as they are.

    :param embeddings: the model of documents and queries.
    :raises SettingsError: with a ``file:`` generator: LangChain hands over no ids to look queries up by.
    """

    def __init__(self, embeddings: Embeddings, augmenter: Augmenter) -> None:
        if augmenter.needs_ids:
            raise SettingsError(
                "The generator looks queries up by passage id",
                "one that writes them, since LangChain's embeddings see texts without ids",
                "Take another generator, or add the queries of the file with `xqg augment`",
            )
        self._embeddings, self._augmenter = embeddings, augmenter

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """The fused vectors of ``texts``, in their order."""
        vectors = self._embeddings.embed_documents(texts)
        if not texts or texts == PROBE:
            return vectors
        model = self._embeddings
        self._know_encoder()
        rows = self._augmenter.augment(self._passages(texts), vectors, model.embed_query, model.embed_documents)
        return self._augmenter.to_stored(rows)

    def embed_query(self, text: str) -> list[float]:
        """The model's own vector of a query."""
        return self._embeddings.embed_query(text)

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """The fused vectors of ``texts``, in their order; the queries are written in a thread."""
        vectors = await self._embeddings.aembed_documents(texts)
        if not texts or texts == PROBE:
            return vectors
        model = self._embeddings
        await asyncio.to_thread(self._know_encoder)
        rows = await self._augmenter.augment_asynchronously(
            self._passages(texts), vectors, model.aembed_query, model.aembed_documents
        )
        return self._augmenter.to_stored(rows)

    async def aembed_query(self, text: str) -> list[float]:
        """The model's own vector of a query."""
        return await self._embeddings.aembed_query(text)

    def _know_encoder(self) -> None:
        if isinstance(self._embeddings, EncoderEmbeddings):
            self._augmenter.know_encoder(self._embeddings.encoder)

    def _passages(self, texts: Sequence[str]) -> list[Passage]:
        """The same text has the same id and so the same queries, in whatever batch it comes."""
        return [self._augmenter.passage(digest(text), text) for text in texts]


class EncoderEmbeddings(Embeddings):
    """One of xqg's encoders as a LangChain embedding model, for collections that xqg made with it."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Vectors of passages."""
        return to_lists(self.encoder.encode_passages([Passage("", text) for text in texts])) if texts else []

    def embed_query(self, text: str) -> list[float]:
        """The vector of a query."""
        return to_lists(self.encoder.encode_queries([text]))[0]
