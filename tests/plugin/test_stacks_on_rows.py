"""The frameworks' unmodified classes on a collection with several rows a point: what works, and what does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

from tests.augment.setting import vector_of
from tests.fakes import WORDS, FakeEncoder
from tests.plugin.stacks import (
    DOCUMENTS,
    STACKS,
    Haystack,
    LangChain,
    LangChainHybrid,
    LlamaIndex,
    LlamaIndexHybrid,
    Stack,
    make_stack,
)
from tests.stores.samples import make_point, without_sleep
from tests.stores.wire import WireServer
from xqg.augment.inspection import inspect_source
from xqg.augment.source import AugmentReport, Source
from xqg.languages import LanguageDetector
from xqg.protocols import Point
from xqg.settings import AugmentSettings, StoreSettings
from xqg.stores.augmented import SourcePassage
from xqg.stores.server import Server
from xqg.stores.server_store import ServerStore

FAR = "other other other"
"""What every passage's first row is about, so that the second one must be looked at."""


def write_rows(url: str) -> None:
    """Copy "docs" into "better", each point with a row along `FAR` and its own."""
    server = Server(StoreSettings(spec=url, collection="docs"), without_sleep)
    block = inspect_source(server, "docs", AugmentSettings(into="better"), FakeEncoder()).block
    store = ServerStore(server, "better", block)
    store.create(len(WORDS), "cosine", {"state": "ready"}, multivector=True)
    report = AugmentReport(block, "better", None)
    passages = Source(server, "better", block, LanguageDetector(), "en").passages(True, report)
    store.upsert([Point(passage, make_point("").entry, _rows(passage)) for passage in passages])
    server.close()


def _rows(passage: SourcePassage) -> Any:
    assert passage.vector is not None
    return np.stack([np.array(vector_of(FAR), dtype=np.float32), passage.vector])


def made(kind: type[Stack], wire: WireServer) -> Any:
    stack = make_stack(kind, wire.url)
    stack.write("docs")
    write_rows(wire.url)
    return stack


@pytest.fixture(params=STACKS, ids=lambda kind: kind.__name__)
def stack(request: pytest.FixtureRequest, wire: WireServer) -> Stack:
    found: Stack = made(request.param, wire)
    return found


def test_the_same_code_reads_it(stack: Stack) -> None:
    for text, metadata in DOCUMENTS:
        assert stack.search("better", text)[0] == (text, metadata)
    assert stack.ids("better") == stack.ids("docs")


def test_its_own_filters_work(stack: Stack) -> None:
    assert stack.search("better", "battery", page=2) == [DOCUMENTS[1]]
    assert stack.search("better", "battery", page=9) == []


def test_it_adds_updates_and_deletes(stack: Stack, wire: WireServer) -> None:
    """What it adds is a point of one row, of an equal rank."""
    added = ("valve valve is open", {"title": "Water", "page": 5, "language": "en"})
    stack.write("better", [added])
    assert stack.search("better", "valve")[0] == added
    assert stack.search("better", "wifi")[0] == DOCUMENTS[2]
    stack.delete("better", DOCUMENTS[2][0])
    assert sorted(stack.ids("better")) == [DOCUMENTS[0][0], DOCUMENTS[1][0], added[0]]
    assert wire.local.count("docs").count == 3


@pytest.mark.parametrize("kind", [LangChain, LangChainHybrid])
def test_langchain_scores_thresholds_and_diversity(wire: WireServer, kind: type[Stack]) -> None:
    store = made(kind, wire).open("better")
    if kind is LangChain:
        ((document, score),) = store.similarity_search_with_score("wifi", k=3, score_threshold=0.5)
        assert (document.page_content, score) == ("wifi is gone", pytest.approx(1.0))
    found = store.max_marginal_relevance_search("wifi", k=2, fetch_k=3)
    assert found[0].page_content == "wifi is gone"
    assert len(found) == 2


def test_langchain_reads_documents_by_id(wire: WireServer) -> None:
    stack = made(LangChain, wire)
    ids = stack.ids("better")
    (document,) = stack.open("better").get_by_ids([ids["wifi is gone"]])
    assert document.page_content == "wifi is gone"


def _get_nodes(stack: Any) -> Any:
    return stack.open("better").get_nodes(node_ids=list(stack.ids("docs").values()))


def _return_embeddings(stack: Any) -> Any:
    from haystack_integrations.components.retrievers.qdrant import QdrantEmbeddingRetriever

    retriever = QdrantEmbeddingRetriever(stack.open("better"), return_embedding=True)
    return retriever.run(query_embedding=vector_of("wifi"))["documents"]


@pytest.mark.parametrize("kind", [LlamaIndex, LlamaIndexHybrid])
def test_llamaindex_cannot_hold_the_rows_that_get_nodes_reads(wire: WireServer, kind: type[Stack]) -> None:
    with pytest.raises(ValueError, match="embedding"):
        _get_nodes(made(kind, wire))


def test_haystack_returns_rows_where_it_is_asked_for_an_embedding(wire: WireServer) -> None:
    (document, *_) = _return_embeddings(made(Haystack, wire))
    assert document.content == "wifi is gone"
    assert np.shape(document.embedding) == (2, len(WORDS))


def test_local_mode_takes_neither_a_dense_query_nor_a_dense_point() -> None:
    """So examples with ``:memory:`` and ``path=`` want one row a point."""
    client = QdrantClient(":memory:")
    several = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)
    vector = models.VectorParams(size=2, distance=models.Distance.COSINE, multivector_config=several)
    client.create_collection("docs", vector)
    client.upsert("docs", [models.PointStruct(id=1, vector=[[1.0, 0.0], [0.0, 1.0]])])
    with pytest.raises(ValueError, match="Dense vector"):
        client.query_points("docs", [1.0, 0.0])
    with pytest.raises(TypeError):
        client.upsert("docs", [models.PointStruct(id=2, vector=[1.0, 0.0])])
