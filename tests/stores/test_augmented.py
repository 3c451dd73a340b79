"""The store of an augmented collection: configured like its source, but for the rows that our vector takes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

from tests.stores.samples import array, make_point, without_sleep
from tests.stores.wire import WireServer
from xqg.errors import StoreError
from xqg.known_layouts import choose_layout
from xqg.protocols import Collection, Point
from xqg.records import FieldMatch, Texts, Vectors, digest
from xqg.settings import StoreSettings
from xqg.stores.augmented import Augmented, point_digest, read_source
from xqg.stores.catalog import open_server_store
from xqg.stores.server import Server
from xqg.stores.server_store import ServerStore, SourceStore

COSINE = models.Distance.COSINE
PLAIN = models.VectorParams(size=2, distance=COSINE)
X, Y, UP = array(1, 0), array(0, 1), array(0.6, 0.8)
OTHERS = {"words": models.SparseVector(indices=[3, 1], values=[0.5, 2.0]), "image": [1.0, 0.0, 0.0]}


@pytest.fixture
def server(wire: WireServer) -> Iterator[Server]:
    server = Server(StoreSettings(spec=wire.url, collection="docs"), without_sleep)
    yield server
    server.close()


@pytest.fixture
def client(wire: WireServer) -> Iterator[QdrantClient]:
    client = QdrantClient(url=wire.url, check_compatibility=False)
    yield client
    client.close()


def make_source(client: QdrantClient, vectors: Any = PLAIN, **options: Any) -> None:
    client.create_collection("docs", vectors, **options)


def fill_source(client: QdrantClient, name: str | None = None, others: dict[str, Any] | None = None) -> None:
    """Three points along X, whose texts are a, b and c."""
    vector: Any = [1.0, 0.0] if name is None else {name: [1.0, 0.0], **(others or {})}
    points = [
        models.PointStruct(id=number, vector=vector, payload={"text": text, "n": number})
        for number, text in enumerate("abc", start=1)
    ]
    client.upsert("docs", points)


def augmented(server: Server, vector: str = "") -> ServerStore:
    return ServerStore(server, "better", Augmented("docs", choose_layout([{"text": "a"}], None, None, None), vector))


def made(server: Server, vector: str = "", multivector: bool = True) -> ServerStore:
    store = augmented(server, vector)
    store.create(2, "cosine", {"state": "ready"}, multivector)
    return store


def point(server: Server, store: ServerStore, number: int, rows: Vectors) -> Point:
    """The source's point with other rows, as the worker hands it over."""
    record = server.retrieve("docs", [number], with_vectors=True)[number]
    passage = read_source(record, store._layout, store._vector, {}, lambda text: "en")
    return Point(passage, make_point("").entry, rows)


def fill(server: Server, store: ServerStore) -> None:
    """Along X the passages b, a, c have the cosines 1, 0.6 and 0; along Y c, a, b have 1, 0.8 and 0."""
    rows = {1: UP[None], 2: np.stack([-Y, X, -X]), 3: np.stack([-X, Y])}
    store.upsert([point(server, store, number, stored) for number, stored in rows.items()])


def params(client: QdrantClient, vector: str | None = None, name: str = "better") -> models.VectorParams:
    vectors = client.get_collection(name).config.params.vectors
    found = vectors[vector] if isinstance(vectors, dict) else vectors
    assert isinstance(found, models.VectorParams)
    return found


class TestConfiguration:
    def test_only_the_rows_and_the_links_differ(self, client: QdrantClient, server: Server) -> None:
        vector = models.VectorParams(
            size=2,
            distance=COSINE,
            on_disk=True,
            datatype=models.Datatype.FLOAT16,
            hnsw_config=models.HnswConfigDiff(m=8, ef_construct=77),
            quantization_config=models.ScalarQuantization(scalar=models.ScalarQuantizationConfig(type="int8")),
        )
        other = models.VectorParams(size=3, distance=models.Distance.DOT, hnsw_config=models.HnswConfigDiff(m=5))
        options: dict[str, Any] = {"shard_number": 3, "replication_factor": 2, "on_disk_payload": True}
        make_source(client, {"text": vector, "image": other}, **options)
        client.create_payload_index("docs", "n", models.PayloadSchemaType.INTEGER)
        made(server, "text")
        docs, better = client.get_collection("docs"), client.get_collection("better")
        raised = models.HnswConfigDiff(m=32, ef_construct=77)
        several = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)
        assert params(client, "text") == vector.model_copy(
            update={"multivector_config": several, "hnsw_config": raised}
        )
        assert params(client, "image") == other
        for part in ("shard_number", "replication_factor", "on_disk_payload"):
            assert getattr(better.config.params, part) == options[part]
        assert better.config.hnsw_config == docs.config.hnsw_config
        assert better.payload_schema == docs.payload_schema

    @pytest.mark.parametrize("vectors", [PLAIN, {"": PLAIN}], ids=["unnamed", "named nothing"])
    def test_the_form_of_an_unnamed_vector_is_kept(self, client: QdrantClient, server: Server, vectors: Any) -> None:
        make_source(client, vectors)
        made(server)
        assert isinstance(client.get_collection("better").config.params.vectors, type(vectors))
        assert params(client, "").multivector_config is not None

    @pytest.mark.parametrize(
        ("collection", "own", "expected"),
        [
            ({}, None, {"m": 32}),
            ({"m": 64}, None, None),
            ({"m": 64}, {"m": 8}, {"m": 32}),
            ({"m": 8}, {"m": 48}, {"m": 48}),
            ({"m": 0, "payload_m": 16}, None, {"payload_m": 32}),
            ({"m": 8}, {"ef_construct": 50}, {"m": 32, "ef_construct": 50}),
        ],
    )
    def test_links_are_raised_where_there_are_fewer(
        self, client: QdrantClient, server: Server, caplog: Any, collection: Any, own: Any, expected: Any
    ) -> None:
        caplog.set_level(logging.INFO, "xqg")
        vector = PLAIN.model_copy(update={"hnsw_config": None if own is None else models.HnswConfigDiff(**own)})
        make_source(client, vector, hnsw_config=models.HnswConfigDiff(**collection))
        made(server)
        found = params(client).hnsw_config
        assert (None if found is None else found.model_dump(exclude_none=True)) == expected
        assert ("instead of the" in caplog.text) == (expected != own)

    def test_one_row_a_point_is_the_source_again(self, client: QdrantClient, server: Server) -> None:
        make_source(client)
        made(server, multivector=False)
        assert params(client) == params(client, name="docs")

    @pytest.mark.parametrize("place", ["collection", "vector"])
    def test_binary_quantisation_is_warned_of(
        self, client: QdrantClient, server: Server, caplog: Any, place: str
    ) -> None:
        bits = models.BinaryQuantization(binary=models.BinaryQuantizationConfig())
        if place == "vector":
            make_source(client, PLAIN.model_copy(update={"quantization_config": bits}))
        else:
            make_source(client, quantization_config=bits)
        made(server)
        assert "'docs' is quantised to bits" in caplog.text

    def test_what_is_bounded_by_strict_mode_is_told(self, client: QdrantClient, server: Server) -> None:
        strict = models.StrictModeConfig(
            enabled=True, multivector_config={"": models.StrictModeMultivector(max_vectors=4)}
        )
        make_source(client, strict_mode_config=strict)
        found = made(server).describe()
        assert found is not None
        assert (found.multivector, found.most_rows) == (True, 4)


def test_a_point_has_one_digest_over_rest_and_grpc_and_all_of_it_counts() -> None:
    def vectors(indices: list[int], value: float) -> Any:
        return {"words": models.SparseVector(indices=indices, values=[value]), "text": [value, 0.0]}

    payload = {"text": "a"}
    same = point_digest(payload, vectors([2**24], 0.1))
    assert point_digest(payload, vectors([2**24], float(np.float32(0.1)))) == same, "gRPC carries floats of 32 bits"
    assert point_digest(payload, vectors([2**24 + 1], 0.1)) != same, "a float of 32 bits does not hold it"
    assert point_digest({"text": "b"}, vectors([2**24], 0.1)) != same
    # as collections were made that have no sparse vector: payload, then the bytes of each vector
    assert point_digest(payload, [1.0]) == digest([payload, "0000803f"])


class TestPoints:
    @pytest.mark.parametrize("vectors", [PLAIN, {"": PLAIN}], ids=["unnamed", "named nothing"])
    def test_rows_are_stored_found_and_read(self, client: QdrantClient, server: Server, vectors: Any) -> None:
        make_source(client, vectors)
        fill_source(client)
        store = made(server)
        fill(server, store)
        again = open_server_store(StoreSettings(spec=_url(client), collection="better"))
        for opened in (store, again):
            found = opened.describe()
            assert found is not None
            assert (found.points, found.multivector, found.distance) == (3, True, "cosine")
            along_x, along_y = opened.search(np.stack([X, Y]), 3)
            assert [hit.passage.text for hit in along_x] == ["b", "a", "c"]
            assert [hit.score for hit in along_y] == pytest.approx([1, 0.8, 0], abs=1e-6)
            rows = {read.passage.text: read.rows for read in opened.points(with_vectors=True)}
            assert {text: len(stored) for text, stored in rows.items() if stored is not None} == {
                "a": 1,
                "b": 3,
                "c": 2,
            }
            assert rows["b"] == pytest.approx(np.stack([-Y, X, -X]))
        again.close()

    def test_other_vectors_stay_and_a_missing_one_stays_missing(self, client: QdrantClient, server: Server) -> None:
        image = models.VectorParams(size=3, distance=COSINE)
        make_source(
            client, {"text": PLAIN, "image": image}, sparse_vectors_config={"words": models.SparseVectorParams()}
        )
        fill_source(client, "text", OTHERS)
        client.upsert("docs", [models.PointStruct(id=4, vector=OTHERS, payload={"text": "d"})])
        store = made(server, "text")
        fill(server, store)
        store.upsert([point(server, store, 4, np.zeros((1, 2)))])
        records = {record.id: record.vector for record in client.scroll("better", with_vectors=True)[0]}
        assert records[3]["text"] == [[-1.0, 0.0], [0.0, 1.0]]
        for key in (3, 4):
            assert records[key]["image"] == OTHERS["image"]
            assert sorted(records[key]["words"].indices) == [1, 3]
        assert "text" not in records[4]
        read = {found.passage.text: found.rows for found in store.points(["3", "4"], with_vectors=True)}
        assert (len(read["c"]), read["d"]) == (2, None)  # type: ignore[arg-type]

    def test_a_plain_collection_gets_one_row(self, client: QdrantClient, server: Server) -> None:
        make_source(client)
        fill_source(client)
        store = made(server, multivector=False)
        with pytest.raises(StoreError, match="'2' has 2 rows"):
            store.upsert([point(server, store, 1, UP[None]), point(server, store, 2, np.stack([X, Y]))])
        store.upsert([point(server, store, 1, UP[None])])
        (record,) = client.scroll("better", with_vectors=True)[0]
        assert record.vector == pytest.approx(UP.tolist())

    def test_points_that_others_wrote_are_found_but_not_read(self, client: QdrantClient, server: Server) -> None:
        """They write one dense vector, which the engine takes for one row."""
        make_source(client)
        fill_source(client)
        store = made(server)
        fill(server, store)
        client.upsert("better", [models.PointStruct(id=9, vector=[0.9, 0.1], payload={"text": "new", "n": 9})])
        (hits,) = store.search(X[None], 2)
        assert [hit.passage.text for hit in hits] == ["b", "new"]
        assert [found.passage.text for found in store.points()] == ["a", "b", "c"]
        assert [hit.passage.text for hit in store.search(X[None], 5, [FieldMatch("n", (9,))])[0]] == ["new"]
        (other,) = store.points(["9"], with_vectors=True)
        assert (other.rows.shape, other.entry.texts) == ((1, 2), Texts())  # type: ignore[union-attr]

    def test_the_source_is_compared_by_its_own_vector(self, client: QdrantClient, server: Server) -> None:
        make_source(client)
        fill_source(client)
        store = made(server)
        fill(server, store)
        store.write_metadata({"encoder": {}, "settings": {"encoder": {}}})
        original = SourceStore(server, store._block, store)
        assert original.describe() == Collection(
            2, "cosine", 3, {"encoder": {}, "settings": {"encoder": {}, "generator": None}}
        )
        assert [hit.score for hit in original.search(X[None], 3)[0]] == pytest.approx([1, 1, 1])
        writes = [
            lambda: original.write_metadata({}),
            lambda: original.upsert([point(server, store, 1, UP[None])]),
            lambda: original.delete(["1"]),
            lambda: original.index_fields(["n:integer"]),
        ]
        for write in writes:
            with pytest.raises(StoreError, match="only read"):
                write()


def _url(client: QdrantClient) -> str:
    return str(client._client.rest_uri)
