"""LangChain itself, its own standard tests, and langchain-qdrant on qdrant-client's local mode."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_qdrant import QdrantVectorStore
from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests
from qdrant_client import models

from tests.fakes import FakeEncoder, FakeGenerator
from tests.plugin.fakes import FUSED, TEXTS, augmenter, counts
from xqg import open_augmenter
from xqg.encoders.profiles import find_profile
from xqg.errors import GenerationError, SettingsError
from xqg.plugin.langchain import AugmentedEmbeddings, EncoderEmbeddings


class CountingEmbeddings(Embeddings):
    """The model of a user: counts words, and how often it was asked."""

    def __init__(self) -> None:
        self.documents = self.queries = 0

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.documents += len(texts)
        return [counts(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        self.queries += 1
        return counts(text)


class Augmented:
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return AugmentedEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"embeddings": CountingEmbeddings(), "augmenter": augmenter()}


class TestStandardUnit(Augmented, EmbeddingsUnitTests):
    pass


class TestStandardIntegration(Augmented, EmbeddingsIntegrationTests):
    pass


class TestStandardEncoder(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return EncoderEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"encoder": FakeEncoder()}


class TestAugmentedEmbeddings:
    def test_documents_are_fused_and_queries_are_not(self) -> None:
        model = AugmentedEmbeddings(CountingEmbeddings(), augmenter())
        np.testing.assert_allclose(model.embed_documents(TEXTS), FUSED)
        assert model.embed_query("battery") == counts("battery")

    def test_asynchronously_the_same(self) -> None:
        model = AugmentedEmbeddings(CountingEmbeddings(), augmenter())
        np.testing.assert_allclose(asyncio.run(model.aembed_documents(TEXTS)), FUSED)
        assert asyncio.run(model.aembed_query("battery")) == counts("battery")

    def test_nothing_is_generated_for_no_documents_and_for_langchain_s_probe(self) -> None:
        generator = FakeGenerator()
        model = AugmentedEmbeddings(CountingEmbeddings(), augmenter(generator))
        assert model.embed_documents([]) == asyncio.run(model.aembed_documents([])) == []
        store = QdrantVectorStore.from_texts(TEXTS, model, location=":memory:", collection_name="docs")
        assert len(generator.asked) == len(TEXTS)
        QdrantVectorStore(store.client, "docs", model)
        assert len(generator.asked) == len(TEXTS)

    def test_the_same_text_gets_the_same_queries_in_any_batch(self) -> None:
        generator = FakeGenerator()
        model = AugmentedEmbeddings(CountingEmbeddings(), augmenter(generator))
        model.embed_documents(TEXTS)
        model.embed_documents(TEXTS[2:])
        assert generator.asked[2] == generator.asked[3]

    def test_a_file_of_queries_cannot_be_looked_up_without_ids(self) -> None:
        class File(FakeGenerator):
            identity = {"kind": "file"}  # noqa: RUF012

        with pytest.raises(SettingsError, match="without ids"):
            AugmentedEmbeddings(CountingEmbeddings(), augmenter(File()))

    def test_a_failing_generator_stores_nothing_of_its_batch(self) -> None:
        class Broken(FakeGenerator):
            def generate(self, requests: Any) -> Any:
                if any("wifi" in passage.text for passage, _ in requests):
                    raise GenerationError("gone")
                return super().generate(requests)

        model = AugmentedEmbeddings(CountingEmbeddings(), augmenter(Broken()))
        store = QdrantVectorStore.from_texts(TEXTS[:1], model, location=":memory:", collection_name="docs")
        with pytest.raises(GenerationError):
            store.add_texts(TEXTS[1:], batch_size=1)
        assert store.client.count("docs").count == 2

    def test_the_profile_of_one_of_xqg_s_encoders_is_looked_up(self) -> None:
        encoder, made = FakeEncoder(), open_augmenter(rule="neutral", generator=FakeGenerator(), languages=["fr"])
        AugmentedEmbeddings(EncoderEmbeddings(encoder), made).embed_documents(TEXTS)
        assert made.identity["fusion"]["profile"] == find_profile(encoder).digest  # of all questions, not of 25

    def test_asynchronously_a_profile_is_not_measured_in_the_event_loop(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Placed(FakeEncoder):
            identity = {"model": "placed"}  # noqa: RUF012 - none of the profiles that ship

            def encode_queries(self, texts: Any) -> Any:
                places.add((len(texts) > 1000, threading.current_thread() is threading.main_thread()))
                return super().encode_queries(texts)

        monkeypatch.setenv("XQG_CACHE", str(tmp_path))  # no run has kept its profile yet
        places: set[tuple[bool, bool]] = set()
        made = open_augmenter(rule="neutral", generator=FakeGenerator(), languages=["fr"])
        asyncio.run(AugmentedEmbeddings(EncoderEmbeddings(Placed()), made).aembed_documents(TEXTS))
        assert (True, False) in places and (True, True) not in places


class TestRoundTrip:
    def test_written_and_found_by_a_generated_query(self) -> None:
        model = AugmentedEmbeddings(CountingEmbeddings(), augmenter())
        store = QdrantVectorStore.from_documents(
            [Document(text, metadata={"section": number}) for number, text in enumerate(TEXTS)],
            model,
            location=":memory:",
            collection_name="docs",
            distance=models.Distance.DOT,
        )
        ((document, score),) = store.similarity_search_with_score("invoice", k=1)
        assert (document.page_content, document.metadata["section"], score) == (TEXTS[1], 1, 1.0)

    def test_an_existing_collection_needs_the_plain_model_only(self, tmp_path: Any) -> None:
        """What xqg augmented beforehand is searched with the user's own code; the generator is not there any more."""
        fused = AugmentedEmbeddings(CountingEmbeddings(), augmenter())
        QdrantVectorStore.from_texts(TEXTS, fused, path=str(tmp_path / "db"), collection_name="docs").client.close()
        store = QdrantVectorStore.from_existing_collection("docs", CountingEmbeddings(), path=str(tmp_path / "db"))
        ((document, score),) = store.similarity_search_with_score("wifi", k=1)
        assert document.page_content == TEXTS[2]
        assert score == pytest.approx(1 / np.sqrt(1.25))  # the plain vector's would be 1 / sqrt(2)
        store.client.close()
