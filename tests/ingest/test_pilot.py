from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.fakes import FakeEncoder
from tests.ingest.place import PASSAGES, Place, settings
from xqg.errors import FingerprintError, StoreError
from xqg.ingest.pilot import draw_passages, first_passages
from xqg.ingest.remembering import RememberingEncoder
from xqg.records import Passage, Reject


@pytest.fixture
def corpus(tmp_path: Path) -> str:
    lines = [json.dumps({"id": item.id, "text": item.text, "language": "en"}) for item in PASSAGES]
    (tmp_path / "corpus.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return str(tmp_path / "corpus.jsonl")


def test_a_first_run_calibrates_and_freezes_what_it_found(corpus: str, tmp_path: Path) -> None:
    place = Place()
    report = place.run(corpus, tmp_path / "rejects.jsonl")
    assert (report.read, report.upserted, report.rejected) == (40, 40, 0)
    assert place.metadata["state"] == "ready"
    assert place.metadata["calibration"]["queries"] == {"fr": 80, "ja": 80}
    assert {point.entry.fingerprint for point in place.store.stored.values()} == {place.metadata["fingerprint"]}
    np.testing.assert_allclose(np.linalg.norm(place.vectors(), axis=1), 1.0, atol=1e-6)


def test_nothing_is_generated_or_encoded_twice(corpus: str, tmp_path: Path) -> None:
    place = Place()
    report = place.run(corpus, tmp_path / "rejects.jsonl", settings(fusion={"calibration_sample": 25}))
    # 2 queries in 2 languages of every passage, and in English of the sample
    assert report.generated == 40 * 4 + 25 * 2
    assert place.encoder.encoded_passages == 40
    before = place.metadata
    again = place.run(corpus, tmp_path / "rejects.jsonl", settings(fusion={"calibration_sample": 25}))
    assert (again.skipped, again.upserted, again.generated) == (40, 0, 0)
    assert place.metadata == before


@pytest.mark.parametrize("fail_at", [1, 2, 3, 4, 5])
def test_a_run_that_died_anywhere_ends_like_one_that_did_not(corpus: str, tmp_path: Path, fail_at: int) -> None:
    undisturbed, place = Place(), Place()
    undisturbed.run(corpus, tmp_path / "rejects.jsonl")
    place.store.fail_at = fail_at
    with pytest.raises(StoreError):
        place.run(corpus, tmp_path / "rejects.jsonl")
    place.store.fail_at = None
    place.run(corpus, tmp_path / "rejects.jsonl")
    assert place.metadata == undisturbed.metadata
    np.testing.assert_array_equal(place.vectors(), undisturbed.vectors())


def test_an_interrupted_pilot_leaves_the_calibration_to_the_next_run(corpus: str, tmp_path: Path) -> None:
    place = Place()
    report = place.run(corpus, tmp_path / "rejects.jsonl", stopping=lambda: True)
    assert report.interrupted and place.metadata["calibration"] is None
    assert not place.run(corpus, tmp_path / "rejects.jsonl").interrupted
    assert place.metadata["calibration"] is not None


def test_later_passages_use_the_frozen_calibration(corpus: str, tmp_path: Path) -> None:
    place = Place()
    place.run(corpus, tmp_path / "rejects.jsonl")
    frozen = place.metadata["calibration"]
    more = tmp_path / "more.jsonl"
    more.write_text(json.dumps({"id": "new", "text": "battery wifi", "language": "en"}), encoding="utf-8")
    report = place.run(str(more), tmp_path / "rejects.jsonl")
    assert (report.upserted, report.generated) == (1, 4)
    assert place.metadata["calibration"] == frozen
    assert place.store.stored["new"].entry.fingerprint == place.metadata["fingerprint"]


def test_another_rule_is_refused_and_updated_without_generating(corpus: str, tmp_path: Path) -> None:
    place, other = Place(), {"rule": "mean", "alpha": 0.05}
    place.run(corpus, tmp_path / "rejects.jsonl")
    before = place.vectors()
    with pytest.raises(FingerprintError, match=r"alpha: stored 'calibrated', asked 0\.05; rule: stored 'neutral'"):
        place.run(corpus, tmp_path / "rejects.jsonl", settings(fusion=other))
    report = place.run(corpus, tmp_path / "rejects.jsonl", settings(fusion=other, update=True))
    assert (report.generated, report.outdated) == (0, 0)
    assert place.metadata["calibration"]["fusion"]["rule"] == "mean"
    assert not np.array_equal(place.vectors(), before)


def test_the_sample_is_drawn_evenly_and_always_the_same() -> None:
    records: list[Passage | Reject] = [Passage(str(number), "x") for number in range(1000)]
    drawn = [int(passage.id) for passage in draw_passages(records, 100)]
    assert drawn == sorted(drawn) and len(set(drawn)) == 100
    assert drawn == [int(passage.id) for passage in draw_passages(iter(records), 100)]
    assert 400 < np.mean(drawn) < 600
    assert len(draw_passages(records[:7], 100)) == 7


def test_a_stream_that_is_read_once_loses_nothing() -> None:
    records: list[Passage | Reject] = [
        Passage("a", "x"),
        Reject("f", 2, "bad", ""),
        Passage("b", "y"),
        Passage("c", "z"),
    ]
    sample, whole = first_passages(iter(records), 2)
    assert [passage.id for passage in sample] == ["a", "b"]
    assert list(whole) == records


def test_a_remembering_encoder_encodes_each_text_once_and_alike() -> None:
    plain = FakeEncoder()
    remembering = RememberingEncoder(FakeEncoder(), capacity=3)
    for _ in range(2):
        np.testing.assert_array_equal(remembering.encode_passages(PASSAGES[:5]), plain.encode_passages(PASSAGES[:5]))
    inner = remembering._inner
    assert isinstance(inner, FakeEncoder)
    assert inner.encoded_passages == 5 + 2
    np.testing.assert_array_equal(
        remembering.encode_queries(["wifi", "battery"]), plain.encode_queries(["wifi", "battery"])
    )


def test_per_language_stores_a_vector_for_each_language(corpus: str, tmp_path: Path) -> None:
    place = Place()
    place.run(corpus, tmp_path / "rejects.jsonl", settings(fusion={"rule": "per-language"}))
    assert place.store.collection is not None and place.store.collection.languages == ("fr", "ja")
    assert {tuple(point.by_language) for point in place.store.stored.values()} == {("fr", "ja")}
    wider = {"spec": "hf:unused", "languages": ("fr", "ja", "ko"), "queries_per_language": 2}
    with pytest.raises(StoreError, match="one each for fr, ja"):
        place.run(corpus, tmp_path / "r", settings(fusion={"rule": "per-language"}, generator=wider, update=True))


def test_a_collection_calibrated_on_one_corpus_refuses_vectors_calibrated_on_another(
    corpus: str, tmp_path: Path
) -> None:
    place, other = Place(), Place()
    place.run(corpus, tmp_path / "rejects.jsonl")
    half = tmp_path / "half.jsonl"
    half.write_text("\n".join(Path(corpus).read_text(encoding="utf-8").splitlines()[:25]), encoding="utf-8")
    other.run(str(half), tmp_path / "rejects.jsonl")
    assert other.metadata["fingerprint"] != place.metadata["fingerprint"]
    place.store.write_metadata({**place.metadata, "calibration": other.metadata["calibration"]})
    vectors = place.vectors()
    with pytest.raises(FingerprintError, match="not the one that its vectors were made with"):
        place.run(corpus, tmp_path / "rejects.jsonl")
    np.testing.assert_array_equal(place.vectors(), vectors)
