"""Round trips with the real frameworks: they write, `xqg augment` runs, they read, filter, delete and update."""

from __future__ import annotations

from typing import Any

import pytest

from tests.augment.setting import Bench
from tests.plugin.stacks import DOCUMENTS, STACKS, Stack, make_stack
from tests.stores.wire import WireServer
from xqg.augment.source import AugmentReport
from xqg.known_layouts import LAYOUTS


@pytest.fixture(params=STACKS, ids=lambda kind: kind.__name__)
def stack(request: pytest.FixtureRequest, wire: WireServer) -> Stack:
    made = make_stack(request.param, wire.url)
    made.write("docs")
    return made


@pytest.fixture
def report(stack: Stack, wire: WireServer) -> AugmentReport:
    return Bench(wire).augment()


def raw(wire: WireServer, name: str) -> dict[Any, Any]:
    records, _ = wire.local.scroll(name, limit=100, with_vectors=True)
    return {record.id: record for record in records}


def test_the_layout_is_recognised(stack: Stack, report: AugmentReport) -> None:
    assert (report.block.layout.name, report.work.upserted, report.without_text) == (stack.layout, 3, 0)
    assert report.agreement == pytest.approx(1.0)


def test_ids_and_payloads_are_the_same_but_for_our_key(stack: Stack, report: AugmentReport, wire: WireServer) -> None:
    (layout,) = (layout for layout in LAYOUTS if layout.name == stack.layout)
    before, after = raw(wire, "docs"), raw(wire, "better")
    assert list(after) == list(before)
    for key, record in after.items():
        assert layout.own(record.payload) is not None
        assert layout.without_own(record.payload) == before[key].payload


def test_the_configuration_is_the_same(stack: Stack, report: AugmentReport, wire: WireServer) -> None:
    docs, better = (stack.client.get_collection(name) for name in ("docs", "better"))
    assert better.config.params == docs.config.params
    assert better.config.hnsw_config == docs.config.hnsw_config
    assert better.config.optimizer_config == docs.config.optimizer_config
    assert better.payload_schema == docs.payload_schema


def test_the_same_code_reads_it(stack: Stack, report: AugmentReport) -> None:
    for text, metadata in DOCUMENTS:
        assert stack.search("better", text)[0] == (text, metadata)
    assert sorted(map(str, stack.search("better", "is"))) == sorted(map(str, DOCUMENTS))
    assert stack.ids("better") == stack.ids("docs")


def test_its_own_filters_work(stack: Stack, report: AugmentReport) -> None:
    assert stack.search("better", "battery", page=2) == [DOCUMENTS[1]]
    assert stack.search("better", "battery", page=9) == []


def test_sparse_vectors_are_copied_as_they_are(stack: Stack, report: AugmentReport, wire: WireServer) -> None:
    if stack.sparse is None:
        pytest.skip("a dense collection")
    before, after = raw(wire, "docs"), raw(wire, "better")
    for key, record in after.items():
        assert record.vector[stack.sparse] == before[key].vector[stack.sparse]


def test_its_delete_works(stack: Stack, report: AugmentReport) -> None:
    stack.delete("better", "invoice is late")
    assert sorted(stack.ids("better")) == ["battery battery is full", "wifi is gone"]
    assert len(stack.ids("docs")) == 3


def test_its_update_works_and_is_never_overwritten(stack: Stack, report: AugmentReport, wire: WireServer) -> None:
    added = ("refund is early", {"title": "Money", "page": 4, "language": "en"})
    stack.write("docs", [added])
    stack.write("better", [("valve is open", {"title": "Water", "page": 5, "language": "en"})])
    again = Bench(wire).augment()
    assert (again.work.upserted, again.work.deleted) == (1, 0)
    assert stack.search("better", "refund", page=4) == [added]
    assert [text for text, _ in stack.search("better", "valve", page=5)] == ["valve is open"]
