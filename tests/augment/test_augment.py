"""One collection becomes a better one: what is written, what is left alone, what is caught up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qdrant_client import models

from tests.augment.setting import TEXTS, Bench, make_source, plain_points, vector_of
from tests.fakes import WORDS, FakeEncoder
from tests.stores.wire import WireServer
from xqg.errors import FingerprintError, SettingsError, StoreError


@pytest.fixture
def bench(wire: WireServer) -> Bench:
    make_source(wire)
    return Bench(wire)


def without_key(payload: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in payload.items() if key != "xqg"}


def test_payloads_and_ids_stay_and_the_vectors_take_the_queries_in(bench: Bench) -> None:
    report = bench.augment()
    assert (report.work.read, report.work.upserted, report.settled) == (5, 5, True)
    before, after = bench.contents("docs"), bench.contents()
    assert {key: without_key(payload) for key, (payload, _) in after.items()} == {
        key: payload for key, (payload, _) in before.items()
    }
    # "battery battery is full" is stored as the unit vector of battery; so is each of its four queries
    assert after[1][1][WORDS.index("battery")] == pytest.approx(1.0)
    own = after[1][0]["xqg"]
    assert own["queries"] == {"fr": ["fr 0 battery", "fr 1 battery"], "ja": ["ja 0 battery", "ja 1 battery"]}
    assert (own["language"], bench.encoder.encoded_passages) == ("en", len(TEXTS))  # the check of the encoder alone


def test_fusion_starts_from_the_stored_vector_not_from_the_text(bench: Bench) -> None:
    stored = np.eye(len(WORDS), dtype=np.float32)[WORDS.index("valve")]
    bench.wire.local.upsert(
        "docs", [models.PointStruct(id=1, vector=stored.tolist(), payload={"text": "battery", "language": "en"})]
    )
    bench.augment(trust_encoder=True)
    vector = bench.contents()[1][1]
    # half valve, half battery, at length 1: the server normalises under cosine
    assert vector[WORDS.index("valve")] == pytest.approx(np.sqrt(0.5), abs=1e-6)
    assert vector[WORDS.index("battery")] == pytest.approx(np.sqrt(0.5), abs=1e-6)


def test_dot_product_keeps_lengths(wire: WireServer) -> None:
    make_source(wire, models.Distance.DOT)
    bench = Bench(wire)
    bench.augment()
    assert bench.contents()[1][1][WORDS.index("battery")] == pytest.approx(0.5 * 2 + 0.5 * 1)


def test_the_source_is_not_written_to(bench: Bench) -> None:
    bench.wire.requests.clear()
    bench.augment(alias="live")
    writing = [request.name for request in bench.wire.requests if request.method in ("PUT", "PATCH", "DELETE")]
    assert writing
    assert not [name for name in writing if "/collections/docs" in name]
    assert not bench.wire.named(r"POST /collections/docs/points/(delete|payload)")


def test_a_second_run_does_nothing(bench: Bench) -> None:
    bench.augment(alias="live")
    before = bench.contents()
    bench.generator.asked.clear()
    bench.wire.requests.clear()
    report = bench.augment(alias="live")
    assert (report.work.read, report.work.upserted, report.work.deleted, report.passes, report.settled) == (
        5,
        0,
        0,
        1,
        True,
    )
    assert bench.contents() == before
    assert bench.generator.asked == []
    assert not [request.name for request in bench.wire.requests if request.method in ("PUT", "PATCH", "DELETE")]
    assert not bench.wire.named("POST .*(aliases|delete|payload)")


def test_what_changed_in_the_source_is_caught_up(bench: Bench) -> None:
    bench.augment()
    local = bench.wire.local
    local.upsert("docs", plain_points(["valve is new", "language is new"], first=100))
    local.upsert("docs", plain_points(["refund is early"], first=2))
    local.set_payload("docs", {"n": 33}, [3])
    local.delete("docs", [4])
    bench.generator.asked.clear()
    report = bench.augment()
    assert (report.work.upserted, report.work.deleted) == (4, 1)
    assert [asked for asked, _ in bench.generator.asked] == ["2", "100", "101"]  # of point 3 the payload alone changed
    fresh = Bench(bench.wire)
    fresh.augment(into="fresh")
    assert bench.contents() == fresh.contents("fresh")


def test_what_changes_during_a_run_is_there_at_its_end(bench: Bench) -> None:
    seen = []

    def change(report: object) -> None:
        if not seen:
            bench.wire.local.upsert("docs", plain_points(["valve is new"], first=0))
            bench.wire.local.delete("docs", [5])
        seen.append(report)

    with bench.job() as job:
        report = job.run(progress=change)
    assert sorted(bench.contents()) == [0, 1, 2, 3, 4]
    assert (report.passes, report.settled) == (3, True)


def test_a_source_that_never_rests_does_not_get_the_alias(bench: Bench) -> None:
    numbers = iter(range(100, 10_000))

    def change(report: object) -> None:
        bench.wire.local.upsert("docs", plain_points(["valve is new"], first=next(numbers)))

    with bench.job(alias="live") as job:
        report = job.run(progress=change)
    assert (report.settled, report.alias) == (False, None)
    assert bench.wire.local.get_aliases().aliases == []


def test_stopping_ends_after_a_whole_batch_and_the_next_run_goes_on(bench: Bench) -> None:
    with bench.job(alias="live") as job:
        assert job.run(stopping=lambda: True).interrupted
    assert sorted(bench.contents()) == [1, 2]
    assert bench.wire.local.get_aliases().aliases == []
    bench.generator.asked.clear()
    assert bench.augment(alias="live").settled
    assert [asked for asked, _ in bench.generator.asked] == ["3", "4", "5"]


def test_points_that_others_wrote_since_are_left_alone(bench: Bench) -> None:
    bench.augment()
    mine = models.PointStruct(id=1, vector=vector_of("wifi"), payload={"text": "mine"})
    new = models.PointStruct(id=900, vector=vector_of("wifi"), payload={"text": "new"})
    bench.wire.local.upsert("better", [mine, new])
    report = bench.augment()
    assert (report.others, report.work.deleted, report.work.upserted) == (2, 0, 0)
    assert bench.contents()[1][0] == {"text": "mine"}
    assert bench.contents()[900][0] == {"text": "new"}


def test_points_without_text_are_copied(bench: Bench) -> None:
    bench.wire.local.upsert("docs", [models.PointStruct(id=6, vector=vector_of("wifi"), payload={"picture": "a.png"})])
    report = bench.augment()
    assert (report.without_text, report.work.read) == (1, 6)
    assert "6" not in [asked for asked, _ in bench.generator.asked]
    payload, vector = bench.contents()[6]
    assert (without_key(payload), vector) == ({"picture": "a.png"}, bench.contents("docs")[6][1])


def test_other_settings_are_refused_and_update_brings_them_without_generating(bench: Bench) -> None:
    bench.augment()
    other = {"rule": "mean", "alpha": 0.2}
    with pytest.raises(FingerprintError, match=r"alpha: stored 0\.5, asked 0\.2"):
        bench.augment(fusion=other)
    bench.generator.asked.clear()
    report = bench.augment(fusion=other, update=True)
    assert (report.work.upserted, bench.generator.asked) == (5, [])
    assert bench.wire.local.get_collection("better").config.metadata["xqg"]["state"] == "ready"


def test_the_plan_tells_all_and_writes_nothing(bench: Bench) -> None:
    bench.wire.requests.clear()
    with bench.job(alias="live") as job:
        plan = job.estimate()
    assert (plan["layout"], plan["to_store"], plan["queries"], plan["dry_run"]) == ("plain", 5, 20, True)
    assert plan["encoder_agreement"] == pytest.approx(1.0)
    assert {request.method for request in bench.wire.requests} <= {"GET", "POST"}
    assert not bench.wire.local.collection_exists("better")


class TestAlias:
    def test_is_moved_at_the_end_in_one_request(self, bench: Bench) -> None:
        self.name(bench, "live", "docs")
        report = bench.augment(alias="live")
        assert report.alias == {"alias": "live", "was": "docs", "now": "better"}
        (request,) = bench.wire.named("POST /collections/aliases")
        assert [next(iter(action)) for action in request.body["actions"]] == ["delete_alias", "create_alias"]

    def test_may_be_what_the_source_is_called_by(self, bench: Bench) -> None:
        self.name(bench, "live", "docs")
        bench.augment(source="live", alias="live")
        report = bench.augment(source="live", alias="live")  # by now the alias names the new collection
        assert (report.block.source, report.work.upserted) == ("docs", 0)

    def test_that_is_a_collections_name_is_explained(self, bench: Bench) -> None:
        with pytest.raises(StoreError, match=r"name of a collection.*no alias share it.*'docs-live'.*snapshot"):
            bench.augment(alias="docs")
        assert not bench.wire.local.collection_exists("better")

    def test_that_is_taken_is_refused_before_anything_is_written(self, bench: Bench) -> None:
        bench.wire.local.create_collection("third", models.VectorParams(size=2, distance=models.Distance.DOT))
        self.name(bench, "live", "third")
        with pytest.raises(StoreError, match="'live' is taken: it names 'third'"):
            bench.augment(alias="live")
        assert not bench.wire.local.collection_exists("better")

    @staticmethod
    def name(bench: Bench, alias: str, collection: str) -> None:
        create = models.CreateAlias(collection_name=collection, alias_name=alias)
        bench.wire.local.update_collection_aliases([models.CreateAliasOperation(create_alias=create)])


class TestRefusals:
    """Each a clear message before anything is written."""

    @pytest.fixture(autouse=True)
    def nothing_is_written(self, wire: WireServer) -> Any:
        yield
        assert not wire.local.collection_exists("better")
        assert {request.method for request in wire.requests} <= {"GET", "POST"}

    def make(self, wire: WireServer, vectors: Any, vector: Any, **arguments: Any) -> Bench:
        wire.local.create_collection("docs", vectors_config=vectors, **arguments)
        wire.local.upsert("docs", [models.PointStruct(id=1, vector=vector, payload={"text": "wifi is gone"})])
        return Bench(wire)

    def params(self, **fields: Any) -> models.VectorParams:
        return models.VectorParams(**{"size": len(WORDS), "distance": models.Distance.COSINE, **fields})

    def test_another_encoder(self, bench: Bench) -> None:
        class Stranger(FakeEncoder):
            def _encode(self, texts):
                return np.roll(super()._encode(texts), 1, axis=1)

        bench.encoder = Stranger()
        with pytest.raises(
            StoreError, match=r"median cosine with its own is 0\.000 over 5.*another model.*--trust-enc"
        ):
            bench.augment()

    def test_another_dimension(self, wire: WireServer) -> None:
        bench = self.make(wire, self.params(size=3), [1.0, 0, 0])
        with pytest.raises(StoreError, match=r"has 3 dimensions.*encoder's 8"):
            bench.augment()

    @pytest.mark.parametrize("datatype", ["uint8", "turbo4"])
    def test_lossy_originals(self, wire: WireServer, datatype: str) -> None:
        bench = self.make(wire, self.params(datatype=datatype), [1.0] * 8)
        with pytest.raises(StoreError, match=f"stored as {datatype}, so the encoder's own vectors are gone"):
            bench.augment()

    def test_a_multivector(self, wire: WireServer) -> None:
        kind = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)
        bench = self.make(wire, self.params(multivector_config=kind), [[1.0] * 8])
        with pytest.raises(StoreError, match="multivector"):
            bench.augment()

    def test_several_vectors_and_none_named(self, wire: WireServer) -> None:
        bench = self.make(wire, {"a": self.params(), "b": self.params()}, {"a": [1.0] * 8, "b": [1.0] * 8})
        with pytest.raises(StoreError, match=r"2 dense vectors: 'a', 'b'.*--vector-name"):
            bench.augment()
        with pytest.raises(SettingsError, match="no dense vector 'c'"):
            bench.augment(vector_name="c")

    def test_a_distance_without_angles(self, wire: WireServer) -> None:
        bench = self.make(wire, self.params(distance=models.Distance.EUCLID), [1.0] * 8)
        with pytest.raises(StoreError, match="euclid"):
            bench.augment()

    def test_no_texts(self, wire: WireServer) -> None:
        bench = self.make(wire, self.params(), vector_of("wifi"))
        wire.local.overwrite_payload("docs", {"text": "  "}, [1])
        with pytest.raises(StoreError, match="None of 1 sampled points has a text at 'text'"):
            bench.augment()

    def test_no_points_and_no_collection(self, wire: WireServer) -> None:
        with pytest.raises(StoreError, match="no collection 'docs'"):
            Bench(wire).augment()
        bench = self.make(wire, self.params(), vector_of("wifi"))
        wire.local.delete("docs", [1])
        with pytest.raises(StoreError, match="'docs' is empty"):
            bench.augment()

    def test_a_target_that_is_an_alias_or_the_source(self, bench: Bench) -> None:
        TestAlias.name(bench, "name", "docs")
        with pytest.raises(StoreError, match="'name' is an alias of 'docs'"):
            bench.augment(into="name")
        with pytest.raises(SettingsError, match="same collection"):
            bench.augment(into="docs")


def test_a_target_that_others_made_is_refused(bench: Bench) -> None:
    params = models.VectorParams(size=8, distance=models.Distance.COSINE)
    bench.wire.local.create_collection("better", params)
    with pytest.raises(StoreError, match="'better' exists, but xqg did not make it"):
        bench.augment()


def test_nothing_is_fused_twice(bench: Bench) -> None:
    bench.augment()
    with pytest.raises(StoreError, match=r"'better' are xqg's already.*made from: 'docs'"):
        bench.augment(source="better", into="best")
    # a copy by other software takes the points along, but not the collection's metadata
    records, _ = bench.wire.local.scroll("better", with_vectors=True)
    params = models.VectorParams(size=8, distance=models.Distance.COSINE)
    bench.wire.local.create_collection("copy", params)
    points = [models.PointStruct(id=record.id, vector=record.vector, payload=record.payload) for record in records]
    bench.wire.local.upsert("copy", points)
    with pytest.raises(StoreError, match="'copy' are xqg's already"):
        bench.augment(source="copy", into="best")


def test_a_target_from_elsewhere_is_not_mixed(bench: Bench) -> None:
    bench.augment()
    bench.wire.local.create_collection("other", models.VectorParams(size=8, distance=models.Distance.COSINE))
    bench.wire.local.upsert("other", plain_points())
    with pytest.raises(StoreError, match=r"'better' was made from 'docs'.*from 'other'"):
        bench.augment(source="other")
