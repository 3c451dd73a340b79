from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.fakes import WORDS, FakeEncoder, FakeGenerator, FakeStore, fake_profile
from xqg.assembly import pin_encoder
from xqg.errors import FingerprintError, StoreError
from xqg.ingest.collection import open_collection
from xqg.ingest.ingest_report import IngestReport
from xqg.ingest.worker import IngestWorker
from xqg.records import Passage, Reject
from xqg.search.show import describe_collection, describe_passage
from xqg.settings import IngestSettings, validated

CORPUS = [
    Passage("a", "battery battery is full", document_id="a", document_hash="1"),
    Passage("b", "invoice is late", document_id="b", document_hash="1"),
    Passage("c", "wifi is gone", document_id="c", document_hash="1"),
]


def settings(**changes: Any) -> IngestSettings:
    values: dict[str, Any] = {
        "store": {"spec": "edge:unused", "collection": "c"},
        "generator": {"spec": "hf:unused", "languages": ("fr", "ja"), "queries_per_language": 2},
        "fusion": {"rule": "sum", "alpha": 0.25},
        "batch_size": 2,
    }
    result: IngestSettings = validated(IngestSettings, {**values, **changes})
    return result


class Bench:
    """A store with what it takes to ingest into it."""

    def __init__(self) -> None:
        self.store, self.encoder, self.generator = FakeStore(), FakeEncoder(), FakeGenerator()
        self.rejects: list[Reject] = []

    def ingest(
        self, records: Sequence[Passage | Reject], options: IngestSettings | None = None, **keywords: Any
    ) -> IngestReport:
        chosen = settings() if options is None else options
        opened = open_collection(
            self.store, self.encoder, self.generator, chosen, chosen.generator.languages, fake_profile
        )
        worker = IngestWorker(self.generator, self.encoder, self.store, opened, chosen.batch_size)
        return worker.run(records, self.rejects.append, **keywords)


def only_row(bench: Bench, passage_id: str) -> Any:
    rows = bench.store.stored[passage_id].rows
    assert rows is not None
    assert len(rows) == 1
    return rows[0]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_the_stored_vector_is_the_papers_sum(bench: Bench) -> None:
    report = bench.ingest(CORPUS)
    assert (report.read, report.upserted, report.generated) == (3, 3, 12)
    vector = only_row(bench, "a")
    # The passage counts "battery" twice, each of its 4 queries once: 0.75 * 2 + 0.25 * 4 * 1.
    expected = np.zeros(len(WORDS))
    expected[WORDS.index("battery")] = 0.75 * 2 + 0.25 * 4
    np.testing.assert_allclose(vector, expected, atol=1e-6)
    assert bench.store.stored["a"].entry.texts.queries == {
        "fr": ("fr 0 battery", "fr 1 battery"),
        "ja": ("ja 0 battery", "ja 1 battery"),
    }


def test_a_second_run_does_nothing(bench: Bench) -> None:
    bench.ingest(CORPUS)
    asked, encoded, upserts = len(bench.generator.asked), bench.encoder.encoded_passages, bench.store.upserts
    report = bench.ingest(CORPUS)
    assert (report.skipped, report.upserted, report.generated) == (3, 0, 0)
    assert (len(bench.generator.asked), bench.encoder.encoded_passages, bench.store.upserts) == (
        asked,
        encoded,
        upserts,
    )


def test_without_kept_texts_the_vectors_are_the_same_and_a_second_run_does_nothing(bench: Bench) -> None:
    generator = {"spec": "hf:unused", "languages": ("fr", "ja"), "queries_per_language": 2}
    dropping = settings(generator={**generator, "keep_texts": "none"})
    bench.ingest(CORPUS, dropping)
    other = Bench()
    other.ingest(CORPUS)
    for passage in CORPUS:
        np.testing.assert_array_equal(only_row(bench, passage.id), only_row(other, passage.id))
        texts = bench.store.stored[passage.id].entry.texts
        assert (texts.queries, texts.translations) == ({"fr": (), "ja": ()}, {})
    bench.generator.asked.clear()
    assert (bench.ingest(CORPUS, dropping).skipped, bench.generator.asked) == (3, [])
    assert (bench.ingest(CORPUS).skipped, bench.generator.asked) == (3, [])
    stronger = settings(fusion={"rule": "sum", "alpha": 0.5}, update=True)
    bench.ingest(CORPUS, stronger)
    assert [passage_id for passage_id, _ in bench.generator.asked] == ["a", "b", "c"]
    other.ingest(CORPUS, stronger)
    for passage in CORPUS:
        assert bench.store.stored[passage.id].entry == other.store.stored[passage.id].entry
        np.testing.assert_array_equal(only_row(bench, passage.id), only_row(other, passage.id))


def test_the_collection_notes_the_commit_of_a_hubs_encoder_and_is_reopened_by_it(bench: Bench) -> None:
    commit = "0123456789" * 4
    bench.encoder.revision = commit
    hub = settings(encoder={"spec": "hf:org/model"})
    bench.ingest(CORPUS, hub)
    assert bench.store.collection is not None
    assert bench.store.collection.metadata["encoder"] == {"spec": "hf:org/model", "revision": commit}
    assert pin_encoder(hub, bench.store).encoder.revision == commit
    other = settings(encoder={"spec": "hf:org/model", "revision": "v2"})
    assert pin_encoder(other, bench.store).encoder.revision == "v2"
    assert pin_encoder(settings(), bench.store).encoder.revision is None


def test_a_new_revision_of_the_generator_is_taken_for_new_passages_and_shown(bench: Bench) -> None:
    identity = dict(bench.generator.identity)
    for revision, records in (("r1", CORPUS[:2]), ("r2", CORPUS)):
        bench.generator = type("Revised", (FakeGenerator,), {"identity": {**identity, "revision": revision}})()
        bench.ingest(records)
    assert [passage_id for passage_id, _ in bench.generator.asked] == ["c"]
    assert bench.store.collection is not None
    assert describe_collection(bench.store.collection, bench.store)["generator_revisions"] == {"r1": 2, "r2": 1}
    assert describe_passage(bench.store, "c")["generator_revision"] == "r2"
    for size in (3,):
        bench.generator = FakeGenerator(count=size)
        with pytest.raises(FingerprintError, match=r"generator\.count"):
            bench.ingest(CORPUS)


def test_only_the_changed_passage_is_generated_again(bench: Bench) -> None:
    bench.ingest(CORPUS)
    bench.generator.asked.clear()
    report = bench.ingest([CORPUS[0], replace(CORPUS[1], text="refund is late"), CORPUS[2]])
    assert (report.skipped, report.upserted) == (2, 1)
    assert bench.generator.asked == [("b", ("fr", "ja"))]


@pytest.mark.parametrize("failing", [1, 2])
def test_a_run_that_broke_is_finished_by_the_next_and_pays_only_for_the_lost_batch(bench: Bench, failing: int) -> None:
    bench.store.fail_at = failing
    with pytest.raises(StoreError):
        bench.ingest(CORPUS)
    assert not bench.store.bulk  # indexing is switched on again, also after an error
    bench.store.fail_at = None
    bench.generator.asked.clear()
    bench.ingest(CORPUS)
    assert [passage_id for passage_id, _ in bench.generator.asked] == [p.id for p in CORPUS[2 * (failing - 1) :]]

    undisturbed = Bench()
    undisturbed.ingest(CORPUS)
    assert bench.store.stored.keys() == undisturbed.store.stored.keys()
    for key, point in undisturbed.store.stored.items():
        np.testing.assert_array_equal(bench.store.stored[key].rows, point.rows)
        assert bench.store.stored[key].entry == point.entry


def test_stopping_ends_after_a_whole_batch(bench: Bench) -> None:
    report = bench.ingest(CORPUS, stopping=lambda: True)
    assert report.interrupted
    assert sorted(bench.store.stored) == ["a", "b"]


def test_rejects_are_passed_on_and_counted(bench: Bench) -> None:
    bad = Reject("f.jsonl", 2, "no text", {"id": "x"})
    report = bench.ingest([CORPUS[0], bad, CORPUS[1]])
    assert (report.read, report.rejected, report.upserted) == (2, 1, 2)
    assert bench.rejects == [bad]


def test_a_vector_that_is_not_finite_is_rejected_and_the_others_go_in(bench: Bench) -> None:
    bench.encoder.broken = {"invoice is"}
    report = bench.ingest(CORPUS)
    assert (report.upserted, report.rejected) == (2, 1)
    assert "not finite" in bench.rejects[0].reason
    assert bench.rejects[0].record["id"] == "b"
    assert sorted(bench.store.stored) == ["a", "c"]


def test_a_query_whose_vector_is_not_finite_weighs_nothing(bench: Bench) -> None:
    bench.encoder.broken = {"ja 1"}
    report = bench.ingest(CORPUS[:1])
    vector = only_row(bench, "a")
    assert vector[WORDS.index("battery")] == pytest.approx(0.75 * 2 + 0.25 * 3)
    assert report.dropped == {"not finite": 1}


def test_a_passage_without_queries_keeps_its_vector_and_is_not_asked_again(bench: Bench) -> None:
    bench.generator.silent = ("fr", "ja")
    report = bench.ingest(CORPUS[:1])
    assert report.dropped == {"language": 4}
    vector = only_row(bench, "a")
    assert vector[WORDS.index("battery")] == 2
    bench.generator.asked.clear()
    assert bench.ingest(CORPUS[:1]).skipped == 1
    assert bench.generator.asked == []


def test_other_settings_are_refused_and_both_are_shown(bench: Bench) -> None:
    bench.ingest(CORPUS)
    with pytest.raises(FingerprintError, match=r"alpha: stored 0\.25, asked 0\.5") as caught:
        bench.ingest(CORPUS, settings(fusion={"rule": "sum", "alpha": 0.5}))
    assert "--update" in str(caught.value)


def test_update_changes_alpha_without_generating_again(bench: Bench) -> None:
    bench.ingest(CORPUS)
    bench.generator.asked.clear()
    report = bench.ingest(CORPUS, settings(fusion={"rule": "sum", "alpha": 0.5}, update=True))
    assert (report.upserted, report.generated, report.reused) == (3, 0, 12)
    assert bench.generator.asked == []
    vector = only_row(bench, "a")
    assert vector[WORDS.index("battery")] == pytest.approx(0.5 * 2 + 0.5 * 4)
    assert report.outdated == 0
    assert bench.store.collection is not None
    assert bench.store.collection.metadata["state"] == "ready"


def test_an_update_that_misses_passages_says_so_and_stays_unfinished(bench: Bench) -> None:
    bench.ingest(CORPUS)
    changed = settings(fusion={"rule": "sum", "alpha": 0.5}, update=True)
    assert bench.ingest(CORPUS[:1], changed).outdated == 2
    assert bench.store.collection is not None
    assert bench.store.collection.metadata["state"] == "updating"
    assert bench.ingest(CORPUS[1:], changed).outdated == 0
    assert bench.store.collection.metadata["state"] == "ready"


def test_an_added_language_is_all_that_is_generated(bench: Bench) -> None:
    bench.ingest(CORPUS)
    bench.generator.asked.clear()
    wider = {"spec": "hf:unused", "languages": ("fr", "de", "ja"), "queries_per_language": 2}
    bench.ingest(CORPUS, settings(generator=wider, update=True))
    assert bench.generator.asked == [("a", ("de",)), ("b", ("de",)), ("c", ("de",))]
    assert set(bench.store.stored["a"].entry.texts.queries) == {"fr", "de", "ja"}


def test_a_document_that_got_shorter_loses_its_old_chunks(bench: Bench) -> None:
    def chunks(count: int, version: str) -> list[Passage]:
        return [
            Passage(f"d#{n}", f"valve {n}", document_id="d", chunk=n, chunks=count, document_hash=version)
            for n in range(1, count + 1)
        ]

    bench.ingest([*chunks(5, "old"), *CORPUS])
    bench.ingest([*chunks(3, "new"), *CORPUS])
    assert sorted(bench.store.stored) == ["a", "b", "c", "d#1", "d#2", "d#3"]


def test_a_changed_document_is_replaced_and_never_missing(bench: Bench) -> None:
    bench.ingest(CORPUS)
    deleted: list[str] = []
    bench.store.delete = lambda ids: deleted.extend(ids)  # type: ignore[method-assign, assignment]
    bench.ingest([replace(CORPUS[0], text="refund is late", document_hash="2")])
    assert deleted == []
    assert bench.store.stored["a"].passage.document_hash == "2"


def test_another_size_or_distance_cannot_be_updated(bench: Bench) -> None:
    bench.ingest(CORPUS)
    bench.encoder = FakeEncoder(distance="cosine")
    with pytest.raises(StoreError, match=r"under dot.*under cosine"):
        bench.ingest(CORPUS, settings(update=True))


def test_a_collection_that_xqg_did_not_make_is_refused(bench: Bench) -> None:
    bench.store.create(len(WORDS), "dot", {})
    with pytest.raises(StoreError, match="xqg did not make it"):
        bench.ingest(CORPUS)


def views(**changes: Any) -> IngestSettings:
    return settings(fusion={"rule": "views", "alpha": 0.5, "beta": 0.5, **changes}, generator={"spec": "none"})


TITLED = Passage("t", "The valve of the wifi is new. A refund of the invoice is due.", "battery", document_hash="1")


def test_without_a_generator_title_and_sentences_become_rows(bench: Bench) -> None:
    bench.generator = None  # type: ignore[assignment]
    report = bench.ingest([TITLED], views())
    assert (report.upserted, report.generated) == (1, 0)
    rows = bench.store.stored["t"].rows
    assert rows is not None
    assert rows.shape == (4, len(WORDS))
    # the constant part of the fake profile stands on every row
    np.testing.assert_allclose(rows[:, WORDS.index("language")], 0.6, atol=1e-6)
    own = np.array([1, 1, 0, 1, 1, 1])  # battery, invoice, password, valve, wifi, refund: once each but for one
    title, lead, second = [1, 0, 0, 0, 0, 0], [0, 0, 0, 1, 1, 0], [0, 1, 0, 0, 0, 1]
    whole = np.array(title) + np.array(lead) / np.sqrt(2)
    base = 0.5 * own / np.sqrt(5) + 0.5 * whole / np.linalg.norm(whole)
    base /= np.linalg.norm(base)
    np.testing.assert_allclose(rows[0][:6], 0.8 * base, atol=1e-6)
    view = 0.5 * base + 0.5 * np.array(second) / np.sqrt(2)
    np.testing.assert_allclose(rows[3][:6], 0.8 * view / np.linalg.norm(view), atol=1e-6)


def test_generated_queries_enter_the_first_row_and_get_none_of_their_own(bench: Bench) -> None:
    asked = settings(fusion={"rule": "views", "alpha": 0.5, "beta": 0.5})
    bench.ingest([Passage("a", "battery is full of something", document_hash="1")], asked)
    rows = bench.store.stored["a"].rows
    assert rows is not None
    assert len(rows) == 2  # the first row and one sentence


def test_the_profile_is_frozen_and_not_measured_again(bench: Bench) -> None:
    bench.ingest([TITLED], views())
    first = bench.store.stored["t"].rows
    assert bench.store.collection is not None
    assert bench.store.collection.metadata["profile"] == fake_profile().to_json()

    def refuse(encoder: Any) -> Any:
        raise AssertionError("the profile was measured again")

    chosen = views(beta=0.25).model_copy(update={"update": True})
    opened = open_collection(bench.store, bench.encoder, bench.generator, chosen, (), refuse)
    IngestWorker(None, bench.encoder, bench.store, opened, 2).run([TITLED], bench.rejects.append)
    again = bench.store.stored["t"].rows
    assert first is not None and again is not None
    np.testing.assert_array_equal(first[0], again[0])
    assert not np.array_equal(first[1], again[1])


def test_more_sentences_than_rows_are_merged_and_none_is_dropped(bench: Bench) -> None:
    text = " ".join(f"The {word} is described here." for word in WORDS[:6])
    bench.ingest([Passage("m", text, document_hash="1")], views(views=2))
    rows = bench.store.stored["m"].rows
    assert rows is not None
    assert len(rows) == 3
    without_first = rows[2] - rows[0]  # the first sentence keeps its row, the other five share one
    assert (without_first[1:6] > 0).all()
    assert rows[1][0] > rows[0][0] > rows[2][0]


def test_a_collection_of_the_old_schema_names_the_way_out(bench: Bench) -> None:
    bench.ingest(CORPUS)
    assert bench.store.collection is not None
    metadata = bench.store.collection.metadata
    old = {**metadata, "settings": {**metadata["settings"], "schema": 1, "rule": "neutral", "share": "calibrated"}}
    bench.store.write_metadata(old)
    with pytest.raises(StoreError, match=r"one vector a passage.*several vectors.*--views 0"):
        bench.ingest(CORPUS, settings(fusion={}))
    with pytest.raises(FingerprintError, match=r"schema: stored 1, asked 2.*--update"):
        bench.ingest(CORPUS, settings(fusion={"views": 0}))
    bench.generator.asked.clear()
    report = bench.ingest(CORPUS, settings(fusion={"views": 0}, update=True))
    assert (report.upserted, report.generated, bench.generator.asked) == (3, 0, [])
