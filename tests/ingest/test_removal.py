"""Documents that their sources have no more: which ones go, which ones stay, and what stops it."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from tests.fakes import fake_profile
from tests.ingest.test_takeover import Place, folder, settings
from xqg.errors import StoreError, XqgError
from xqg.ingest.estimate import Estimate
from xqg.ingest.job import IngestJob
from xqg.ingest.removal import passages_of
from xqg.languages import LanguageDetector

LONG = " ".join(f"battery{number}" for number in range(1000))


@pytest.fixture
def place(monkeypatch):
    monkeypatch.setattr(logging.getLogger("xqg"), "propagate", True)  # the command line turns it off
    return Place()


def sync(place, source, path, **options):
    return place.run(str(source), path / "rejects.jsonl", settings(sync=True, **options))


def documents(place):
    return sorted({point.passage.document_id for point in place.store.stored.values()})


def plan(place, source, **options) -> Estimate:
    parts = place.generator, place.encoder, place.store, LanguageDetector(), fake_profile
    return IngestJob(settings(**(options or {"sync": True})), *parts).estimate([str(source)])


def test_a_page_taken_out_of_a_folder_goes_with_all_its_chunks(tmp_path, place):
    source = folder(tmp_path / "docs", gate="valve one", long=LONG)
    place.run(source, tmp_path / "rejects.jsonl")
    assert len(place.store.stored) > 2
    (tmp_path / "docs" / "long.md").unlink()
    place.run(source, tmp_path / "rejects.jsonl")
    assert documents(place) == ["gate.md", "long.md"], "not without being told"
    assert plan(place, source).to_delete == ("long.md",)
    assert documents(place) == ["gate.md", "long.md"], "a plan deletes nothing"
    assert sync(place, source, tmp_path).deleted == 1
    assert list(place.store.stored) == ["gate.md"]
    assert sync(place, source, tmp_path).deleted == 0


def test_an_update_deletes_a_few_files_that_are_gone(tmp_path, place, caplog):
    source = folder(tmp_path / "docs", **{f"page{number}": f"valve {number}" for number in range(40)})
    records = tmp_path / "c.jsonl"
    records.write_text(json.dumps({"id": "record", "text": "wifi"}) + "\n")
    for path in (source, str(records)):
        place.run(path, tmp_path / "rejects.jsonl")
    (tmp_path / "docs" / "page7.md").unlink()
    assert plan(place, source, update=True).to_delete == ("page7.md",)
    assert place.run(source, tmp_path / "rejects.jsonl", settings(update=True)).deleted == 1
    records.write_text(json.dumps({"id": "other", "text": "wifi"}) + "\n")
    assert place.run(str(records), tmp_path / "rejects.jsonl", settings(update=True)).deleted == 0
    assert len(documents(place)) == 41
    for number in range(10, 25):
        (tmp_path / "docs" / f"page{number}.md").unlink()
    assert place.run(source, tmp_path / "rejects.jsonl", settings(update=True)).deleted == 0
    assert "15 stored documents are gone from here; --sync --dry-run tells which" in caplog.text


def test_a_plain_run_says_that_there_is_more(tmp_path, place, caplog):
    caplog.set_level(logging.INFO, logger="xqg")
    source = folder(tmp_path / "docs", gate="valve one", other="wifi")
    place.run(source, tmp_path / "rejects.jsonl")
    assert "more passages" not in caplog.text
    (tmp_path / "docs" / "other.md").unlink()
    place.run(source, tmp_path / "rejects.jsonl")
    assert "holds 1 more passages; --sync --dry-run tells" in caplog.text


def test_documents_of_other_folders_and_of_files_stay(tmp_path, place):
    first, second = folder(tmp_path / "a", x="valve one", y="wifi"), folder(tmp_path / "b", z="refund")
    records = tmp_path / "corpus.jsonl"
    records.write_text("".join(json.dumps({"id": name, "text": f"invoice {name}"}) + "\n" for name in ("r1", "r2")))
    for source in (first, second, str(records)):
        place.run(source, tmp_path / "rejects.jsonl")
    (tmp_path / "a" / "y.md").unlink()
    assert sync(place, first, tmp_path).deleted == 1
    assert documents(place) == ["r1", "r2", "x.md", "z.md"]
    records.write_text(json.dumps({"id": "r2", "text": "invoice r2"}) + "\n")
    assert sync(place, records, tmp_path).deleted == 1
    assert documents(place) == ["r2", "x.md", "z.md"]


def test_a_rejected_record_is_no_lost_document(tmp_path, place, caplog):
    records = tmp_path / "corpus.jsonl"
    good = [json.dumps({"id": name, "text": f"invoice {name}"}) for name in ("a", "b", "c")]
    records.write_text("\n".join(good))
    place.run(str(records), tmp_path / "rejects.jsonl")
    records.write_text("\n".join([good[0], json.dumps({"id": "b", "text": 5})]))
    assert sync(place, records, tmp_path).deleted == 1
    assert documents(place) == ["a", "b"], "b is there, if wrong"
    records.write_text("\n".join([good[0], "{broken"]))
    assert plan(place, records).to_delete == ()
    assert sync(place, records, tmp_path).deleted == 0
    assert "--sync deletes nothing: 1 rejected records tell no id" in caplog.text
    assert documents(place) == ["a", "b"]


def test_a_rejected_record_is_known_by_its_own_id_field(tmp_path, place, caplog):
    records, reader = tmp_path / "corpus.jsonl", {"id_field": "slug"}
    good = [{"id": number, "slug": name, "text": f"invoice {name}"} for number, name in enumerate("ab")]
    records.write_text("\n".join(map(json.dumps, good)))
    place.run(str(records), tmp_path / "rejects.jsonl", settings(reader=reader))
    for bad in ({**good[1], "text": ""}, {"id": 1, "text": "invoice b"}):
        records.write_text("\n".join(map(json.dumps, [good[0], bad])))
        assert sync(place, records, tmp_path, reader=reader).rejected == 1
        assert documents(place) == ["a", "b"], "b is there, if wrong"
    assert "1 rejected records tell no id" in caplog.text


def test_an_update_is_complete_when_the_files_that_it_missed_are_deleted(tmp_path, place):
    source = folder(tmp_path / "docs", gate="valve one", other="wifi")
    place.run(source, tmp_path / "rejects.jsonl")
    (tmp_path / "docs" / "other.md").unlink()
    report = place.run(source, tmp_path / "rejects.jsonl", settings(update=True, fusion={"views": 2}))
    assert (report.deleted, report.outdated) == (1, 0)
    assert place.store.collection.metadata["state"] == "ready"


def test_more_than_the_limit_deletes_nothing(tmp_path, place):
    names = [f"p{number:02}" for number in range(100)]
    source = folder(tmp_path / "docs", **{name: f"valve {name}" for name in names})
    place.run(source, tmp_path / "rejects.jsonl")
    for name in names[:21]:
        (tmp_path / "docs" / f"{name}.md").unlink()
    with pytest.raises(StoreError, match=r"21 of 100 stored documents.*at most 20, so none was.*--sync-limit 21"):
        sync(place, source, tmp_path)
    assert len(documents(place)) == 100
    with pytest.raises(StoreError, match="at most 0"):
        sync(place, source, tmp_path, sync_limit=0)
    assert sync(place, source, tmp_path, sync_limit=21).deleted == 21
    assert len(documents(place)) == 79


def test_a_few_may_always_go(tmp_path, place):
    source = folder(tmp_path / "docs", **{f"p{number}": "valve" for number in range(11)})
    place.run(source, tmp_path / "rejects.jsonl")
    for number in range(10):
        (tmp_path / "docs" / f"p{number}.md").unlink()
    assert sync(place, source, tmp_path).deleted == 10


def test_an_interrupted_run_deletes_nothing(tmp_path, place):
    source = folder(tmp_path / "docs", a="valve", b="wifi")
    place.run(source, tmp_path / "rejects.jsonl")
    (tmp_path / "docs" / "b.md").unlink()
    (tmp_path / "docs" / "a.md").write_text("valve anew")
    parts = place.generator, place.encoder, place.store, LanguageDetector(), fake_profile
    report = IngestJob(settings(sync=True), *parts).run([source], Path(tmp_path / "r"), stopping=lambda: True)
    assert (report.interrupted, report.deleted) == (True, 0)
    assert documents(place) == ["a.md", "b.md"]


def test_the_passages_of_a_document(tmp_path, place):
    place.run(folder(tmp_path / "docs", gate="valve one", long=LONG), tmp_path / "rejects.jsonl")
    chunks = sorted(key for key in place.store.stored if key.startswith("long.md#"))
    assert sorted(passages_of(place.store, "long.md")) == chunks
    assert passages_of(place.store, " gate.md\u200b") == ["gate.md"]
    with pytest.raises(XqgError, match=r"chunk 2 of \d+.*Delete 'long\.md' as a whole"):
        passages_of(place.store, "long.md#2")
    with pytest.raises(XqgError, match="no document 'unknown'"):
        passages_of(place.store, "unknown")
