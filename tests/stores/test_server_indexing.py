"""An index that an older version put off and a crash left off comes back; nothing puts it off any more."""

from __future__ import annotations

import pytest

from tests.stores.samples import METADATA, make_point, make_store, remembered

WRITES = {
    "upsert": lambda store: store.upsert([make_point("a")]),
    "metadata": lambda store: store.write_metadata(METADATA),
    "bulk load": lambda store: store.bulk_load().__enter__(),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize(("before", "expected"), [(20_000, 20_000), (0, 0), (None, 10_000)])
def test_a_remembered_threshold_comes_back_with_the_first_write(wire, made, write, before, expected):
    wire.settings["docs"].indexing_threshold = 0
    wire.local.update_collection("docs", metadata={"xqg": {**METADATA, "indexing_threshold_before": before}})
    assert made.describe().metadata == METADATA
    assert wire.settings["docs"].indexing_threshold == 0, "a look changes nothing"
    WRITES[write](make_store(wire))
    assert wire.settings["docs"].indexing_threshold == expected
    assert remembered(wire) == METADATA


def test_a_load_leaves_the_index_alone(wire, made):
    with made.bulk_load():
        made.upsert([make_point("a")])
    assert wire.threshold_changes == []
    assert wire.named("^PATCH") == []


def test_document_ids_are_indexed_before_a_load(wire, made):
    wire.settings["docs"].payload_schema.clear()  # as a crash right after creating leaves it
    with made.bulk_load():
        assert wire.settings["docs"].payload_schema == {"document_id": "keyword", "language": "keyword"}
