"""LangChain: embeddings that fuse documents with their queries, and a retriever for one vector per language.

    embeddings = AugmentedEmbeddings(your_embeddings, augmenter)
    store = QdrantVectorStore.from_texts(texts, embeddings, url=…, collection_name=…)

A collection that xqg augmented needs neither: `QdrantVectorStore.from_existing_collection` reads it as it is.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Sequence
from functools import partial
from typing import Any

from xqg.errors import MissingDependencyError, SettingsError
from xqg.plugin.augmenter import Augmenter, to_lists
from xqg.plugin.language_vectors import LanguageVectors, names_by_language
from xqg.protocols import Encoder
from xqg.records import Passage, digest

try:
    from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from langchain_core.retrievers import BaseRetriever
    from langchain_qdrant import QdrantVectorStore
    from pydantic import Field, PrivateAttr
except ImportError as error:
    raise MissingDependencyError(f"LangChain is not installed: {error}", "", 'pip install "xqg[langchain]"') from error

PROBE = ["dummy_text"]
"""What langchain-qdrant embeds to learn the size of the vectors; no reason to write queries."""


class AugmentedEmbeddings(Embeddings):
    """An embedding model whose documents are fused with generated queries; queries pass through unchanged.

    :param embeddings: the model of documents and queries.
    :raises SettingsError: with a ``file:`` generator: LangChain hands over no ids to look queries up by.
    """

    def __init__(self, embeddings: Embeddings, augmenter: Augmenter) -> None:
        if augmenter.needs_ids:
            raise SettingsError(
                "The generator looks queries up by passage id",
                "one that writes them: LangChain's embeddings see texts without ids",
                "Take another generator, or `xqg augment`, for file:",
            )
        self._embeddings, self._augmenter = embeddings, augmenter

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """The fused vectors of ``texts``, in their order."""
        vectors = self._embeddings.embed_documents(texts)
        if not texts or texts == PROBE:
            return vectors
        return to_lists(self._augmenter.augment(self._passages(texts), vectors, self._embed_queries))

    def embed_query(self, text: str) -> list[float]:
        """The model's own vector of a query."""
        return self._embeddings.embed_query(text)

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """The fused vectors of ``texts``, in their order; the queries are written in a thread."""
        vectors = await self._embeddings.aembed_documents(texts)
        if not texts or texts == PROBE:
            return vectors
        return to_lists(
            await self._augmenter.augment_asynchronously(self._passages(texts), vectors, self._embeddings.aembed_query)
        )

    async def aembed_query(self, text: str) -> list[float]:
        """The model's own vector of a query."""
        return await self._embeddings.aembed_query(text)

    def _passages(self, texts: Sequence[str]) -> list[Passage]:
        """The same text has the same id and so the same queries, in whatever batch it comes."""
        return [self._augmenter.passage(digest(text), text) for text in texts]

    def _embed_queries(self, texts: Sequence[str]) -> list[list[float]]:
        return [self._embeddings.embed_query(text) for text in texts]


class EncoderEmbeddings(Embeddings):
    """One of xqg's encoders as a LangChain embedding model, for collections that xqg made with it."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Vectors of passages."""
        return to_lists(self._encoder.encode_passages([Passage("", text) for text in texts])) if texts else []

    def embed_query(self, text: str) -> list[float]:
        """The vector of a query."""
        return to_lists(self._encoder.encode_queries([text]))[0]


class LanguageRetriever(BaseRetriever):
    """Searches the vector of the query's language, and the store's own (the fused one) where there is none.

    For collections made with the rule per-language. The query's language is detected, or given:
    ``retriever.invoke(query, language="fr")``.
    """

    vectorstore: QdrantVectorStore
    k: int = Field(4, ge=1, description="documents to return")
    vector_names: dict[str, str] | None = Field(None, description="by language; None: read from the collection")
    search_kwargs: dict[str, Any] = Field(default_factory=dict, description="filter, score_threshold, …")
    _vectors: LanguageVectors | None = PrivateAttr(None)

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        k: int | None = None,
        language: str | None = None,
    ) -> list[Document]:
        if self._vectors is None:
            self._vectors = LanguageVectors(self._names(), self.vectorstore.vector_name)
        store = copy.copy(self.vectorstore)
        store.vector_name = self._vectors.vector_for(query, language)
        if store.embeddings is None:
            raise SettingsError("The vector store has no embedding model", "one for dense vectors")
        vector = store.embeddings.embed_query(query)
        return store.similarity_search_by_vector(vector, k=self.k if k is None else k, **self.search_kwargs)

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **options: Any
    ) -> list[Document]:
        """As LangChain's own does, which takes no options."""
        search = partial(self._get_relevant_documents, query, run_manager=run_manager.get_sync(), **options)
        return await asyncio.to_thread(search)

    def _names(self) -> dict[str, str]:
        if self.vector_names is not None:
            return self.vector_names
        collection = self.vectorstore.client.get_collection(self.vectorstore.collection_name)
        vectors = collection.config.params.vectors
        return names_by_language(vectors) if isinstance(vectors, dict) else {}
