"""Haystack: a component between embedder and writer that fuses documents with generated queries.

    pipeline.add_component("augmenter", PassageAugmenter(text_embedder, {"generator": {"languages": ["fr", "ja"]}}))
    pipeline.connect("embedder", "augmenter")
    pipeline.connect("augmenter", "writer")

A collection that xqg augmented needs none: `QdrantEmbeddingRetriever` reads it as it is. Pipelines are loaded with
``Pipeline.load(…, allowed_modules=["xqg"])``, since Haystack builds only what it was told to trust.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from xqg.addresses import without_login
from xqg.extras import importing
from xqg.kinds import build_encoder
from xqg.plugin.augmenter import Augmenter, require_vectors, to_lists
from xqg.plugin.augmenting import AugmenterSettings, open_augmenter
from xqg.protocols import Encoder
from xqg.records import Passage
from xqg.settings import EncoderSettings, validated

with importing("haystack", "xqg.plugin.haystack"):
    from haystack import Document, component, default_to_dict
    from haystack.components.embedders.types import DocumentEmbedder, TextEmbedder
    from haystack.utils import Secret
    from pydantic import SecretStr

GENERATOR_KEY = Secret.from_env_var("OPENAI_API_KEY", strict=False)
STORE_KEY = Secret.from_env_var("QDRANT_API_KEY", strict=False)


@component
class PassageAugmenter:
    """Augments the embedding of every document; stands between the embedder and the writer.

    With ``like``, a collection of views, an embedding becomes a list of rows, which `DocumentWriter` writes as they
    are.

    Documents are copied, not changed, and keep their ids. The queries are written from their content (and their
    ``title``, if their meta has one).

    :param text_embedder: embeds the queries: the one that the query pipeline uses.
    :param document_embedder: the one before it, to measure the encoder's profile with; not needed with ``like``
        or where the text embedder is one of xqg's.
    :param settings: the fields of `AugmenterSettings`; no keys.
    :param generator_key: of an ``openai:`` generator. :param store_key: of the server with the collection in ``like``.
    :raises SettingsError: if a setting is wrong.
    """

    def __init__(
        self,
        text_embedder: TextEmbedder,
        settings: Mapping[str, Any],
        generator_key: Secret | None = GENERATOR_KEY,
        store_key: Secret | None = STORE_KEY,
        document_embedder: DocumentEmbedder | None = None,
    ) -> None:
        self._settings: AugmenterSettings = validated(AugmenterSettings, settings)
        self._document_embedder = document_embedder
        self._text_embedder, self._generator_key, self._store_key = text_embedder, generator_key, store_key
        self._augmenter: Augmenter | None = None

    def to_dict(self) -> dict[str, Any]:
        """The component as JSON, without keys."""
        return default_to_dict(
            self,
            text_embedder=self._text_embedder,
            document_embedder=self._document_embedder,
            settings=self._settings.portable(),
            generator_key=self._generator_key,
            store_key=self._store_key,
        )

    def warm_up(self) -> None:
        """Build the generator and the text embedder, once. :raises XqgError: if one cannot be used."""
        self._ready()

    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]) -> dict[str, list[Document]]:
        """Copies of ``documents`` with fused embeddings. :raises EncodingError: if one has no embedding yet."""
        augmenter = self._ready()
        if not documents:
            return {"documents": []}
        rows = augmenter.augment(
            _passages(augmenter, documents), _embeddings(documents), self._embed_query, self._embed_passages
        )
        return {"documents": _with_embeddings(documents, augmenter.to_stored(rows))}

    @component.output_types(documents=list[Document])
    async def run_async(self, documents: list[Document]) -> dict[str, list[Document]]:
        """The same, with the embedder's asynchronous calls where it has them."""
        augmenter = await asyncio.to_thread(self._ready)
        if not documents:
            return {"documents": []}
        passages, own = await asyncio.to_thread(_passages, augmenter, documents), _embeddings(documents)
        rows = await augmenter.augment_asynchronously(
            passages, own, self._embed_query_aside, self._embed_passages_aside
        )
        return {"documents": _with_embeddings(documents, augmenter.to_stored(rows))}

    def _ready(self) -> Augmenter:
        if self._augmenter is None:
            keys = _value(self._generator_key), _value(self._store_key)
            self._augmenter = open_augmenter(self._settings.with_keys(*keys))
            models: tuple[Any, ...] = (self._text_embedder, self._document_embedder)
            for embedder in models:
                if hasattr(embedder, "warm_up"):
                    embedder.warm_up()
            if isinstance(self._text_embedder, EncoderTextEmbedder):
                self._augmenter.know_encoder(self._text_embedder._ready())
        return self._augmenter

    def _embed_query(self, text: str) -> list[float]:
        embedding: list[float] = self._text_embedder.run(text=text)["embedding"]
        return embedding

    def _embed_passages(self, texts: Sequence[str]) -> list[list[float]]:
        if self._document_embedder is None:
            return []
        found = self._document_embedder.run(documents=[Document(content=text) for text in texts])["documents"]
        return _embeddings(found)

    async def _embed_passages_aside(self, texts: list[str]) -> list[list[float]]:
        return await asyncio.to_thread(self._embed_passages, texts)

    async def _embed_query_aside(self, text: str) -> list[float]:
        if not hasattr(self._text_embedder, "run_async"):
            return await asyncio.to_thread(self._embed_query, text)
        embedding: list[float] = (await self._text_embedder.run_async(text=text))["embedding"]
        return embedding


class _EncoderComponent:
    """A component with an encoder that is built when it is first used."""

    _for_search = False

    def __init__(self, settings: Mapping[str, Any] | None = None, key: Secret | None = GENERATOR_KEY) -> None:
        self._settings: EncoderSettings = validated(EncoderSettings, {} if settings is None else settings)
        self._key = key
        self._built: Encoder | None = None

    def to_dict(self) -> dict[str, Any]:
        """The component as JSON, without its key, but with the address, so that texts go nowhere else when it is
        loaded again.
        """
        settings = self._settings.model_dump(mode="json", exclude={"api_key"}, exclude_defaults=True)
        address = {} if self._settings.base_url is None else {"base_url": without_login(self._settings.base_url)}
        return default_to_dict(self, settings={"spec": self._settings.spec, **settings, **address}, key=self._key)

    def _ready(self) -> Encoder:
        if self._built is None:
            settings = self._settings.model_copy(update={"api_key": _value(self._key)})
            self._built = build_encoder(settings, self._for_search)
        return self._built


@component
class EncoderTextEmbedder(_EncoderComponent):
    """One of xqg's encoders as a Haystack text embedder, for collections that xqg made with it.

    :param settings: the fields of `EncoderSettings`; no key. :param key: of an ``openai:`` encoder.
    """

    _for_search = True

    @component.output_types(embedding=list[float])
    def run(self, text: str) -> dict[str, list[float]]:
        """The vector of a query."""
        return {"embedding": to_lists(self._ready().encode_queries([text]))[0]}


@component
class EncoderDocumentEmbedder(_EncoderComponent):
    """One of xqg's encoders as a Haystack document embedder; parameters as for `EncoderTextEmbedder`."""

    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]) -> dict[str, list[Document]]:
        """Copies of ``documents`` with embeddings of their title and content."""
        if not documents:
            return {"documents": []}
        passages = [Passage(document.id, document.content or "", _title(document)) for document in documents]
        return {"documents": _with_embeddings(documents, to_lists(self._ready().encode_passages(passages)))}


def _value(secret: Secret | None) -> SecretStr | None:
    value = None if secret is None else secret.resolve_value()
    return None if value is None else SecretStr(str(value))


def _title(document: Document) -> str:
    return str(document.meta.get("title") or "")


def _passages(augmenter: Augmenter, documents: Sequence[Document]) -> list[Passage]:
    return [augmenter.passage(document.id, document.content or "", _title(document)) for document in documents]


def _embeddings(documents: Sequence[Document]) -> list[list[float]]:
    return require_vectors([document.embedding for document in documents], "documents")


def _with_embeddings(documents: Sequence[Document], vectors: Sequence[Any]) -> list[Document]:
    return [replace(document, embedding=vector) for document, vector in zip(documents, vectors, strict=True)]
