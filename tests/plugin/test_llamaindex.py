"""LlamaIndex itself with its Qdrant store on qdrant-client's local mode."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.schema import MetadataMode, TextNode
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import QdrantClient

from tests.fakes import FakeEncoder, FakeGenerator
from tests.plugin.fakes import FUSED, TEXTS, augmenter, counts
from xqg import open_augmenter
from xqg.encoders.profiles import find_profile
from xqg.errors import EncodingError
from xqg.plugin.llamaindex import EncoderEmbedding, PassageAugmenter


class CountingEmbedding(BaseEmbedding):
    """The model of a user: counts words, and keeps what it was shown."""

    shown: list[str] = []  # noqa: RUF012
    api_key: str = "hunter2"

    def _get_text_embedding(self, text: str) -> list[float]:
        self.shown.append(text)
        return counts(text)

    def _get_query_embedding(self, query: str) -> list[float]:
        return counts(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return counts(query)


def nodes() -> list[TextNode]:
    return [TextNode(text=text, id_=f"00000000-0000-0000-0000-00000000000{row}") for row, text in enumerate(TEXTS)]


def pipeline(generator: FakeGenerator, **options: Any) -> IngestionPipeline:
    model = CountingEmbedding(model_name="counting")
    return IngestionPipeline(transformations=[model, PassageAugmenter(augmenter(generator), model)], **options)


class TestPassageAugmenter:
    def test_fuses_after_the_model(self) -> None:
        made = pipeline(FakeGenerator()).run(nodes=nodes())
        np.testing.assert_allclose([node.embedding for node in made], FUSED)
        assert [node.node_id for node in made] == [node.node_id for node in nodes()]

    def test_asynchronously_the_same(self) -> None:
        made = asyncio.run(pipeline(FakeGenerator()).arun(nodes=nodes()))
        np.testing.assert_allclose([node.embedding for node in made], FUSED)

    def test_nodes_are_copied_not_changed(self) -> None:
        given = [node.model_copy(update={"embedding": counts(node.text)}) for node in nodes()]
        PassageAugmenter(augmenter(), CountingEmbedding())(given)
        assert [node.embedding for node in given] == [counts(text) for text in TEXTS]

    def test_no_nodes(self) -> None:
        made = PassageAugmenter(augmenter(), CountingEmbedding())
        assert list(made([])) == list(asyncio.run(made.acall([]))) == []

    def test_before_the_model_it_says_where_it_belongs(self) -> None:
        with pytest.raises(EncodingError, match="after the embedding model"):
            PassageAugmenter(augmenter(), CountingEmbedding())(nodes())

    def test_queries_come_from_the_text_whatever_metadata_was_embedded(self) -> None:
        class Reading(FakeGenerator):
            def generate(self, requests: Any) -> Any:
                self.read = [(passage.title, passage.text) for passage, _ in requests]
                return super().generate(requests)

        generator = Reading()
        (node,) = nodes()[:1]
        node.metadata = {"file": "wifi", "title": "Cells"}
        (made,) = pipeline(generator).run(nodes=[node])
        assert "wifi" in node.get_content(MetadataMode.EMBED)
        assert generator.read == [("Cells", TEXTS[0])]
        # half of what the model saw, which is the text and the metadata, and half of the queries
        assert made.embedding == [1.0, 0, 0, 0.5, 0.5, 0, 0, 0]

    def test_a_cache_gives_back_only_what_the_same_settings_made(self) -> None:
        generator = FakeGenerator()
        first = pipeline(generator)
        first.run(nodes=nodes())
        first.run(nodes=nodes())
        assert len(generator.asked) == len(TEXTS)
        model = CountingEmbedding(model_name="counting")
        other = PassageAugmenter(augmenter(generator, ["de"]), model)
        IngestionPipeline(transformations=[model, other], cache=first.cache).run(nodes=nodes())
        assert [languages for _, languages in generator.asked[len(TEXTS) :]] == [("de",)] * len(TEXTS)

    def test_its_serialised_form_has_no_keys_of_the_model(self) -> None:
        made = PassageAugmenter(augmenter(), CountingEmbedding(model_name="counting"))
        assert "hunter2" not in made.to_json()
        assert made.to_dict()["identity"]["model"]["model_name"] == "counting"

    def test_the_profile_of_one_of_xqg_s_encoders_is_looked_up(self) -> None:
        encoder, made = FakeEncoder(), open_augmenter(rule="neutral", generator=FakeGenerator(), languages=["fr"])
        model = EncoderEmbedding(encoder)
        IngestionPipeline(transformations=[model, PassageAugmenter(made, model)]).run(nodes=nodes())
        assert made.identity["fusion"]["profile"] == find_profile(encoder).digest  # of all questions, not of 25


class TestRoundTrip:
    def test_written_and_found_by_a_generated_query(self) -> None:
        client = QdrantClient(":memory:")
        store = QdrantVectorStore("docs", client=client)
        pipeline(FakeGenerator(), vector_store=store).run(nodes=nodes())
        index = VectorStoreIndex.from_vector_store(QdrantVectorStore("docs", client=client), CountingEmbedding())
        (hit,) = index.as_retriever(similarity_top_k=1).retrieve("wifi")
        assert hit.node.get_content() == TEXTS[2]
        assert hit.score == pytest.approx(1 / np.sqrt(1.25))  # the plain vector's would be 1 / sqrt(2)

    def test_one_of_xqg_s_encoders_as_the_model(self) -> None:
        model = EncoderEmbedding(FakeEncoder())
        assert model.get_text_embedding_batch(TEXTS) == [counts(text) for text in TEXTS]
        assert model.get_query_embedding("wifi") == asyncio.run(model.aget_query_embedding("wifi")) == counts("wifi")
