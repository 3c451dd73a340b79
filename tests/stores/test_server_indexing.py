"""Indexing put off during a bulk load, and never for good."""

from __future__ import annotations

import pytest

from tests.stores.samples import METADATA, make_store, remembered
from tests.stores.wire import Fault
from xqg.errors import StoreError
from xqg.stores import server_indexing


def test_bulk_load_turns_indexing_off_and_on(wire, made):
    with made.bulk_load():
        assert wire.settings["docs"].indexing_threshold == 0
        assert remembered(wire) == {**METADATA, "indexing_threshold_before": 20_000}
        assert made.describe().metadata == METADATA
        made.write_metadata({"x": 1})
        assert remembered(wire) == {"x": 1, "indexing_threshold_before": 20_000}
    assert wire.threshold_changes == [0, 20_000]
    assert remembered(wire) == {"x": 1}


def test_the_threshold_is_remembered_before_it_changes(wire, made):
    wire.faults.then(None, Fault.FORBIDDEN, only="^PATCH")
    with pytest.raises(StoreError, match="403"), made.bulk_load():
        pytest.fail("not reached")
    assert remembered(wire)["indexing_threshold_before"] == 20_000
    assert wire.threshold_changes == []


def test_an_error_turns_indexing_on_again(wire, made):
    with pytest.raises(KeyboardInterrupt), made.bulk_load():
        raise KeyboardInterrupt
    assert wire.settings["docs"].indexing_threshold == 20_000
    assert remembered(wire) == METADATA


def test_after_a_crash_the_original_threshold_comes_back(wire, made, caplog):
    with pytest.raises(ZeroDivisionError), made.bulk_load():
        wire.faults.every(1, Fault.UNAVAILABLE)  # the server goes away and nothing can be restored
        raise ZeroDivisionError
    assert "Indexing stays off until the next ingestion" in caplog.text
    wire.faults.clear()
    assert wire.settings["docs"].indexing_threshold == 0
    with make_store(wire).bulk_load():
        assert remembered(wire)["indexing_threshold_before"] == 20_000
    assert wire.settings["docs"].indexing_threshold == 20_000
    assert remembered(wire) == METADATA


def test_the_servers_own_default_comes_back_as_a_number(wire, made):
    wire.settings["docs"].indexing_threshold = None
    with made.bulk_load():
        assert remembered(wire)["indexing_threshold_before"] is None
    assert wire.settings["docs"].indexing_threshold == 10_000


def test_two_loads_at_once_end_with_the_original(wire, made):
    with made.bulk_load(), make_store(wire).bulk_load():
        pass
    assert wire.settings["docs"].indexing_threshold == 20_000
    assert remembered(wire) == METADATA


def test_waiting_for_the_index_is_bounded(wire, made, caplog, monkeypatch):
    monkeypatch.setattr(server_indexing, "POLLS", 3)
    with made.bulk_load():
        wire.settings["docs"].status = "yellow"
        wire.requests.clear()
    assert len(wire.named("^GET /collections/docs$")) == 1 + 3
    assert "docs is still being indexed" in caplog.text


def test_document_ids_are_indexed_before_a_load(wire, made):
    wire.settings["docs"].payload_schema.clear()  # as a crash right after creating leaves it
    with made.bulk_load():
        assert wire.settings["docs"].payload_schema == {"document_id": "keyword"}
