"""A load leaves the index of a server alone, but for the fields that filters ask for."""

from __future__ import annotations

from tests.stores.samples import make_point


def test_a_load_leaves_the_index_alone(wire, made):
    with made.bulk_load():
        made.upsert([make_point("a")])
    assert wire.threshold_changes == []
    assert wire.named("^PATCH") == []


def test_document_ids_are_indexed_before_a_load(wire, made):
    wire.settings["docs"].payload_schema.clear()  # as a crash right after creating leaves it
    with made.bulk_load():
        assert wire.settings["docs"].payload_schema == {"document_id": "keyword", "language": "keyword"}
