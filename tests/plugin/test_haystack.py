"""Haystack itself with its Qdrant store on qdrant-client's local mode; queries come from a file, by document id."""

from __future__ import annotations

import asyncio
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from haystack import Document, Pipeline, component, default_from_dict, default_to_dict
from haystack.components.writers import DocumentWriter
from haystack.core.errors import DeserializationError
from haystack.testing.factory import component_class
from haystack.utils import Secret
from haystack_integrations.components.retrievers.qdrant import QdrantEmbeddingRetriever
from haystack_integrations.document_stores.qdrant import QdrantDocumentStore

from tests.fakes import FakeEncoder
from tests.plugin.fakes import FUSED, TEXTS, counts
from xqg.encoders.profiles import find_profile
from xqg.errors import EncodingError, SettingsError
from xqg.plugin.haystack import EncoderDocumentEmbedder, EncoderTextEmbedder, PassageAugmenter


@component
class CountingTextEmbedder:
    """The text embedder of a user: counts words."""

    def to_dict(self) -> dict[str, Any]:
        return default_to_dict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> CountingTextEmbedder:
        return default_from_dict(cls, data)

    @component.output_types(embedding=list[float])
    def run(self, text: str) -> dict[str, Any]:
        return {"embedding": counts(text)}


@component
class AsynchronousTextEmbedder(CountingTextEmbedder):
    """One that counts how often it was warmed up and awaited."""

    def __init__(self) -> None:
        self.warmed = self.awaited = 0

    def warm_up(self) -> None:
        self.warmed += 1

    @component.output_types(embedding=list[float])
    def run(self, text: str) -> dict[str, Any]:
        return {"embedding": counts(text)}

    @component.output_types(embedding=list[float])
    async def run_async(self, text: str) -> dict[str, Any]:
        self.awaited += 1
        return {"embedding": counts(text)}


@component
class CountingDocumentEmbedder:
    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]) -> dict[str, Any]:
        return {"documents": embedded(documents)}


def embedded(documents: list[Document]) -> list[Document]:
    return [Document(id=item.id, content=item.content, embedding=counts(item.content or "")) for item in documents]


def documents() -> list[Document]:
    return [Document(id=text.split()[0], content=text) for text in TEXTS]


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    """Each document is asked for by its first word, which is its id; half of the query is fused."""
    lines = [{"passage_id": item.id, "language": "fr", "query": f"fr {item.id}"} for item in documents()]
    (tmp_path / "queries.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return {
        "generator": {"spec": f"file:{tmp_path / 'queries.jsonl'}"},
        "rule": "mean",
        "alpha": 0.5,
        "passage_language": "en",
    }


class TestPassageAugmenter:
    def test_fuses_and_keeps_ids(self, settings: dict[str, Any]) -> None:
        made = PassageAugmenter(CountingTextEmbedder(), settings).run(documents=embedded(documents()))["documents"]
        np.testing.assert_allclose([item.embedding for item in made], FUSED)
        assert [item.id for item in made] == [item.id for item in documents()]

    @pytest.mark.parametrize("embedder", [CountingTextEmbedder, AsynchronousTextEmbedder])
    def test_asynchronously_the_same(self, settings: dict[str, Any], embedder: Any) -> None:
        text_embedder = embedder()
        augmenter = PassageAugmenter(text_embedder, settings)
        made = asyncio.run(augmenter.run_async(documents=embedded(documents())))["documents"]
        np.testing.assert_allclose([item.embedding for item in made], FUSED)
        assert getattr(text_embedder, "awaited", 3) == 3

    def test_documents_are_copied_not_changed(self, settings: dict[str, Any]) -> None:
        given = embedded(documents())
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Haystack warns of changed documents
            PassageAugmenter(CountingTextEmbedder(), settings).run(documents=given)
        assert [item.embedding for item in given] == [counts(text) for text in TEXTS]

    def test_no_documents(self, settings: dict[str, Any]) -> None:
        augmenter = PassageAugmenter(CountingTextEmbedder(), settings)
        assert augmenter.run(documents=[]) == asyncio.run(augmenter.run_async(documents=[])) == {"documents": []}

    def test_without_content_the_embedding_stays(self, settings: dict[str, Any]) -> None:
        image = Document(id="image", embedding=counts("wifi"))
        assert PassageAugmenter(CountingTextEmbedder(), settings).run(documents=[image])["documents"] == [image]

    def test_before_the_embedder_it_says_where_it_belongs(self, settings: dict[str, Any]) -> None:
        with pytest.raises(EncodingError, match="after the embedding model"):
            PassageAugmenter(CountingTextEmbedder(), settings).run(documents=documents())

    def test_nothing_is_loaded_before_warm_up_and_only_once_then(self, settings: dict[str, Any]) -> None:
        missing = {**settings, "generator": {"spec": "file:nowhere.jsonl"}}
        augmenter = PassageAugmenter(CountingTextEmbedder(), missing)
        with pytest.raises(Exception, match=r"nowhere\.jsonl does not exist"):
            augmenter.warm_up()
        embedder = AsynchronousTextEmbedder()
        augmenter = PassageAugmenter(embedder, settings)
        augmenter.warm_up()
        augmenter.warm_up()
        assert embedder.warmed == 1

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"generator": {"spec": "none"}}, "adds generated queries only"),
            ({"generator": {"spec": "bundled"}}, "no target languages"),
            ({"rules": 1}, "rules"),
            ({"passage_language": "xx"}, "Unknown language 'xx'"),
            ({"generator": {"languages": ["fr"]}, "like": {"collection": "a"}}, "drop them or like"),
        ],
    )
    def test_wrong_settings_are_found_at_once(
        self, settings: dict[str, Any], wrong: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(SettingsError, match=message):
            PassageAugmenter(CountingTextEmbedder(), {**settings, **wrong})


class TestSerialisation:
    def test_there_and_back(self, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HAYSTACK_DESERIALIZATION_ALLOWLIST", "tests")
        first = PassageAugmenter(CountingTextEmbedder(), settings)
        data = json.loads(json.dumps(first.to_dict()))
        second = default_from_dict(PassageAugmenter, data)
        assert second.to_dict() == first.to_dict()
        np.testing.assert_allclose(second.run(documents=embedded(documents()))["documents"][0].embedding, FUSED[0])

    def test_a_pipeline_as_yaml(self, settings: dict[str, Any]) -> None:
        written = writing_pipeline(QdrantDocumentStore(":memory:", embedding_dim=8), settings).dumps()
        read = Pipeline.loads(written, allowed_modules=["xqg", "tests"])
        assert read.to_dict()["components"] == Pipeline.loads(written, unsafe=True).to_dict()["components"]
        assert read.get_component("augmenter").to_dict()["init_parameters"]["settings"] == settings
        with pytest.raises(DeserializationError, match="allowlist"):
            Pipeline.loads(written)

    def test_keys_are_named_not_written(self, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MY_KEY", "hunter2-secret")
        augmenter = PassageAugmenter(CountingTextEmbedder(), settings, Secret.from_env_var("MY_KEY"))
        written = json.dumps(augmenter.to_dict())
        assert "MY_KEY" in written
        assert "hunter2" not in written
        smuggled = {**settings, "generator": {**settings["generator"], "api_key": "hunter2-secret"}}
        assert "hunter2" not in json.dumps(PassageAugmenter(CountingTextEmbedder(), smuggled).to_dict())
        with pytest.raises(ValueError, match="token-based"):
            PassageAugmenter(CountingTextEmbedder(), settings, Secret.from_token("hunter2-secret")).to_dict()

    def test_addresses_are_written_without_their_logins(self) -> None:
        place = "://user:hunter2@127.0.0.1:9"
        private = {
            "generator": {"spec": "openai:any", "base_url": f"http{place}/v1", "languages": ["fr"]},
            "like": {"spec": f"http{place}", "collection": "c"},
        }
        found = PassageAugmenter(CountingTextEmbedder(), private).to_dict()["init_parameters"]["settings"]
        assert "hunter2" not in json.dumps(found)
        translating = {"spec": f"translate:libretranslate:http{place}/", "languages": ["fr"]}
        found_there = PassageAugmenter(CountingTextEmbedder(), {"generator": translating}).to_dict()
        assert "hunter2" not in json.dumps(found_there)
        assert (found["generator"]["base_url"], found["like"]["spec"]) == (
            "http://127.0.0.1:9/v1",
            "http://127.0.0.1:9",
        )

    @pytest.mark.parametrize("kind", [EncoderTextEmbedder, EncoderDocumentEmbedder])
    def test_an_address_travels_along_so_that_no_text_goes_to_another(self, kind: Any) -> None:
        settings = {"spec": "openai:any", "base_url": "http://127.0.0.1:9/v1", "concurrency": 2}
        data = json.loads(json.dumps(kind({**settings, "api_key": "hunter2-secret"}).to_dict()))
        assert "hunter2" not in json.dumps(data)
        assert data["init_parameters"]["settings"] == settings
        assert default_from_dict(kind, data).to_dict() == data

    def test_the_address_of_a_generator_travels_along(self) -> None:
        generator = {"spec": "openai:any", "base_url": "http://127.0.0.1:9/v1", "languages": ["fr"]}
        data = PassageAugmenter(CountingTextEmbedder(), {"generator": generator}).to_dict()
        assert data["init_parameters"]["settings"]["generator"] == generator


def writing_pipeline(store: QdrantDocumentStore, settings: dict[str, Any]) -> Pipeline:
    pipeline = Pipeline()
    pipeline.add_component("embedder", CountingDocumentEmbedder())
    pipeline.add_component("augmenter", PassageAugmenter(CountingTextEmbedder(), settings))
    pipeline.add_component("writer", DocumentWriter(store))
    pipeline.connect("embedder", "augmenter")
    pipeline.connect("augmenter", "writer")
    return pipeline


class TestRoundTrip:
    @pytest.mark.parametrize("sparse", [False, True])
    def test_written_and_found_by_a_generated_query(self, settings: dict[str, Any], sparse: bool) -> None:
        store = QdrantDocumentStore(":memory:", embedding_dim=8, similarity="dot_product", use_sparse_embeddings=sparse)
        writing_pipeline(store, settings).run({"embedder": {"documents": documents()}})
        search = Pipeline()
        search.add_component("embedder", CountingTextEmbedder())
        search.add_component("retriever", QdrantEmbeddingRetriever(store, top_k=1))
        search.connect("embedder.embedding", "retriever.query_embedding")
        (found,) = search.run({"embedder": {"text": "invoice"}})["retriever"]["documents"]
        assert (found.id, found.content) == ("invoice", TEXTS[1])
        assert found.score == pytest.approx(1.0)


class TestEncoders:
    """Of xqg, in Haystack; the bundled one, since it is there wherever xqg is."""

    def test_a_question_is_nearest_to_its_document(self) -> None:
        given = [Document(content="The invoice is paid within ten days.", meta={"title": "Invoices"})]
        given += [Document(content="Press the button to reset the router.")]
        made = EncoderDocumentEmbedder().run(documents=given)["documents"]
        query = EncoderTextEmbedder().run(text="Comment réinitialiser le routeur ?")["embedding"]
        assert np.dot(query, made[1].embedding) > np.dot(query, made[0].embedding)
        assert [item.id for item in made] == [item.id for item in given]
        assert EncoderDocumentEmbedder().run(documents=[]) == {"documents": []}

    def test_its_profile_is_looked_up_without_a_document_embedder(self, monkeypatch: pytest.MonkeyPatch) -> None:
        encoder = FakeEncoder()
        monkeypatch.setattr("xqg.plugin.haystack.build_encoder", lambda settings, for_search: encoder)
        augmenter = PassageAugmenter(EncoderTextEmbedder(), {})
        augmenter.run(documents=embedded(documents()))
        assert augmenter._ready().identity["fusion"]["profile"] == find_profile(encoder).digest

    @pytest.mark.parametrize("kind", [EncoderTextEmbedder, EncoderDocumentEmbedder])
    def test_there_and_back(self, kind: Any) -> None:
        first = kind({"spec": "openai:some-model"})
        assert first.to_dict()["init_parameters"]["settings"] == {"spec": "openai:some-model"}
        url = "https://embeddings.example:8080/v1"
        private = kind({"spec": "openai:some-model", "base_url": url.replace("//", "//me:hunter2@"), "concurrency": 2})
        again = default_from_dict(kind, json.loads(json.dumps(private.to_dict())))
        assert (again._settings.base_url, again._settings.concurrency) == (url, 2)
        pipeline = Pipeline()
        pipeline.add_component("encoder", first)
        assert Pipeline.loads(pipeline.dumps(), allowed_modules=["xqg"]).dumps() == pipeline.dumps()


def test_haystack_s_own_factory_components_can_follow_it(settings: dict[str, Any]) -> None:
    """The output is declared as Haystack expects, so that components of any make connect to it."""
    sink = component_class("Sink", {"documents": list[Document]}, {"value": int}, output={"value": 1})
    pipeline = Pipeline()
    pipeline.add_component("augmenter", PassageAugmenter(CountingTextEmbedder(), settings))
    pipeline.add_component("sink", sink())
    pipeline.connect("augmenter.documents", "sink.documents")
    assert pipeline.run({"augmenter": {"documents": embedded(documents())}}) == {"sink": {"value": 1}}
