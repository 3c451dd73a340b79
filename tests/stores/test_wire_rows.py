"""The wire server takes a dense vector for one row wherever the engine does, so tests of other writers can tell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import pytest
from qdrant_client import QdrantClient, models
from qdrant_client import grpc as messages

from tests.stores.wire import WireServer
from tests.stores.wire_grpc import GrpcServer
from xqg.stores.collection_config import new_vectors

X, Y, UP = [1.0, 0.0], [0.0, 1.0], [0.6, 0.8]
VIEWS = new_vectors(2, "cosine", multivector=True)
SCORE = {"a": 1.0, "b": 0.6, "c": 0.0}
"""Of the points 1, 2 and 3 to a query along X; each has a far row beside the one that counts, but for b."""


@pytest.fixture(params=["rest", "grpc"])
def client(request: pytest.FixtureRequest, wire: WireServer, grpc_server: GrpcServer) -> Iterator[QdrantClient]:
    """A client that knows nothing of rows, with the collection "docs" in which a vector has a name, and "unnamed"."""
    over_grpc = {"prefer_grpc": True, "grpc_port": grpc_server.port} if request.param == "grpc" else {}
    client = QdrantClient(url=wire.url, check_compatibility=False, **over_grpc)
    wire.local.create_collection("docs", {"dense": VIEWS, "other": models.VectorParams(size=2, distance="Cosine")})
    points = [(1, "a", [[-1.0, 0.0], X]), (2, "b", UP), (3, "c", [Y, [-1.0, 0.0]])]
    client.upsert(
        "docs",
        [
            models.PointStruct(
                id=number, vector={"dense": vector, "other": Y}, payload={"name": name, "odd": number % 2}
            )
            for number, name, vector in points
        ],
    )
    yield client
    client.close()


def names(points: Any) -> list[str]:
    return [point.payload["name"] for point in points]


def rows_of(client: QdrantClient, number: int) -> Any:
    (record,) = client.retrieve("docs", [number], with_vectors=["dense"])
    return record.vector["dense"]


def test_a_dense_query_is_one_row(client: QdrantClient) -> None:
    found = client.query_points("docs", X, using="dense").points
    assert {point.payload["name"]: point.score for point in found} == pytest.approx(SCORE, abs=1e-6)
    assert names(found) == ["a", "b", "c"]
    assert names(client.query_points("docs", X, using="dense", score_threshold=0.5).points) == ["a", "b"]
    assert names(client.query_points("docs", X, using="other").points) == names(
        client.query_points("docs", [0.0, 1.0], using="other").points
    ), "a plain vector beside it stays one"


def test_batches_prefetches_and_groups(client: QdrantClient) -> None:
    request = models.QueryRequest(query=X, using="dense", limit=1, with_payload=True)
    assert [names(answer.points) for answer in client.query_batch_points("docs", [request, request])] == [["a"], ["a"]]
    prefetch = [models.Prefetch(query=vector, using="dense", limit=2) for vector in (X, Y)]
    fused = client.query_points("docs", prefetch=prefetch, query=models.FusionQuery(fusion=models.Fusion.RRF))
    assert names(fused.points)[0] == "b", "second of both"
    again = client.query_points("docs", prefetch=prefetch[:1], query=Y, using="dense")
    assert names(again.points) == ["b", "a"]
    groups = client.query_points_groups("docs", "odd", X, using="dense", group_size=1).groups
    assert [names(group.hits) for group in groups] == [["a"], ["b"]]


def test_examples_and_diversity(client: QdrantClient) -> None:
    def ask(query: Any) -> list[str]:
        return names(client.query_points("docs", query, using="dense", limit=2).points)

    recommend = models.RecommendInput(positive=[X], strategy=models.RecommendStrategy.BEST_SCORE)
    assert ask(models.RecommendQuery(recommend=recommend)) == ["a", "b"]
    assert ask(models.RecommendQuery(recommend=models.RecommendInput(positive=[X]))) == ["a", "b"]
    pair = models.ContextPair(positive=X, negative=Y)
    assert ask(models.DiscoverQuery(discover=models.DiscoverInput(target=X, context=[pair])))[0] == "a"
    diverse = models.NearestQuery(nearest=X, mmr=models.Mmr(diversity=0.9, candidates_limit=3))
    assert ask(diverse) == ["a", "b"]


def test_a_dense_upsert_is_one_row(client: QdrantClient) -> None:
    assert rows_of(client, 2) == [pytest.approx(UP, abs=1e-6)]
    client.upsert("docs", models.Batch(ids=[4], vectors={"dense": [X]}, payloads=[{"name": "d"}]))
    assert rows_of(client, 4) == [X]


def test_updates_of_vectors(client: QdrantClient) -> None:
    client.update_vectors("docs", [models.PointVectors(id=1, vector={"dense": Y})])
    client.update_vectors("docs", [models.PointVectors(id=2, vector={"dense": [X, Y]})])
    assert (rows_of(client, 1), rows_of(client, 2)) == ([Y], [X, Y])
    assert rows_of(client, 3) == [Y, [-1.0, 0.0]]


def test_a_conditional_upsert_leaves_what_does_not_match(client: QdrantClient) -> None:
    even = models.Filter(must=[models.FieldCondition(key="odd", match=models.MatchValue(value=0))])
    points = [models.PointStruct(id=number, vector={"dense": X}, payload={"name": "new"}) for number in (2, 3, 9)]
    client.upsert("docs", points, update_filter=even)
    named = {record.id: record.payload["name"] for record in client.scroll("docs")[0]}
    assert named == {1: "a", 2: "new", 3: "c", 9: "new"}
    assert (rows_of(client, 2), rows_of(client, 3)) == ([X], [Y, [-1.0, 0.0]])


def test_the_unnamed_vector_too(wire: WireServer, client: QdrantClient) -> None:
    wire.local.create_collection("unnamed", VIEWS)
    client.upsert("unnamed", [models.PointStruct(id=1, vector=Y), models.PointStruct(id=2, vector=[Y, X])])
    client.update_vectors("unnamed", [models.PointVectors(id=1, vector=UP)])
    assert [(hit.id, round(hit.score, 6)) for hit in client.query_points("unnamed", X).points] == [(2, 1.0), (1, 0.6)]


def test_the_routes_of_older_clients(wire: WireServer, grpc_server: GrpcServer, client: QdrantClient) -> None:
    search = {"vector": {"name": "dense", "vector": X}, "limit": 2, "with_payload": True}
    found = httpx.post(f"{wire.url}/collections/docs/points/search", json=search).json()["result"]
    assert [(hit["payload"]["name"], round(hit["score"], 6)) for hit in found] == [("a", 1.0), ("b", 0.6)]
    with grpc.insecure_channel(f"127.0.0.1:{grpc_server.port}") as channel:
        asked = messages.SearchPoints(collection_name="docs", vector=X, vector_name="dense", limit=2)
        hits = messages.PointsStub(channel).Search(asked).result
    assert [(hit.id.num, round(hit.score, 6)) for hit in hits] == [(1, 1.0), (2, 0.6)]
    many = httpx.post(f"{wire.url}/collections/docs/points/search/batch", json={"searches": [search, search]}).json()
    assert many["result"] == [found, found]


def test_wrong_sizes_are_refused_still(client: QdrantClient) -> None:
    with pytest.raises(Exception, match="dim"):
        client.upsert("docs", [models.PointStruct(id=7, vector={"dense": [1.0, 2.0, 3.0]})])
