from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.ingest.place import PASSAGES, Place, settings
from xqg.errors import SettingsError, StoreError
from xqg.ingest.recalibration import recalibrate
from xqg.ingest.report import IngestReport
from xqg.records import Reject
from xqg.settings import CalibrateSettings, validated


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place()
    lines = [json.dumps({"id": item.id, "text": item.text, "language": "en"}) for item in PASSAGES]
    (tmp_path / "corpus.jsonl").write_text("\n".join(lines), encoding="utf-8")
    place.run(str(tmp_path / "corpus.jsonl"), tmp_path / "rejects.jsonl")
    return place


def again(place: Place, stopping: Any = lambda: False, **fusion: Any) -> IngestReport:
    values = {"store": {"spec": "edge:unused", "collection": "c"}, "fusion": fusion, "batch_size": 16}
    chosen: CalibrateSettings = validated(CalibrateSettings, values)
    rejects: list[Reject] = []
    found = place.store.describe()
    assert found is not None
    return recalibrate(found, place.store, place.encoder, chosen, rejects.append, stopping=stopping)


def test_the_same_queries_give_the_same_calibration(place: Place) -> None:
    before, vectors, asked = place.metadata, place.vectors(), len(place.generator.asked)
    again(place)
    assert (place.metadata, len(place.generator.asked)) == (before, asked)
    np.testing.assert_array_equal(place.vectors(), vectors)


def test_another_rule_changes_every_vector_and_no_query(place: Place) -> None:
    vectors, queries = place.vectors(), place.store.stored["0"].entry.queries
    report = again(place, rule="mean", alpha=0.1)
    assert (report.upserted, report.generated) == (40, 0)
    assert (place.metadata["state"], place.metadata["settings"]["rule"]) == ("ready", "mean")
    assert place.store.stored["0"].entry.queries == queries
    assert (place.vectors() != vectors).any(axis=1).all()
    assert {point.entry.fingerprint for point in place.store.stored.values()} == {place.metadata["fingerprint"]}


def test_an_interrupted_calibration_is_finished_by_the_next_one(place: Place) -> None:
    report = again(place, stopping=lambda: True, rule="mean", alpha=0.1)
    assert report.interrupted and place.metadata["state"] == "updating"
    calibration = place.metadata["calibration"]
    report = again(place, rule="mean", alpha=0.1)
    assert (report.skipped, report.upserted, place.metadata["state"]) == (16, 24, "ready")
    assert place.metadata["calibration"] == calibration


def test_vectors_by_language_cannot_be_added_later(place: Place) -> None:
    with pytest.raises(StoreError, match="has one vector a passage"):
        again(place, rule="per-language")


def test_without_queries_there_is_nothing_to_calibrate_on(tmp_path: Path) -> None:
    bare = Place()
    (tmp_path / "corpus.jsonl").write_text(json.dumps({"id": "a", "text": "wifi", "language": "en"}), encoding="utf-8")
    bare.generator = None  # type: ignore[assignment]
    bare.run(str(tmp_path / "corpus.jsonl"), tmp_path / "r", settings(generator={"spec": "none"}))
    with pytest.raises(SettingsError, match="no generated queries"):
        again(bare)
    with pytest.raises(SettingsError, match="nothing is calibrated"):
        again(bare, rule="sum")
