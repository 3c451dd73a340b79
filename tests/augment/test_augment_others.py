"""Points that an application writes into the augmented collection: augmented in place, and never overwritten."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from qdrant_client import models

from tests.augment.setting import Bench, make_source, vector_of
from tests.stores.wire import WireServer

VIEWS = {"rule": "views"}


@pytest.fixture
def bench(wire: WireServer) -> Bench:
    make_source(wire)
    return Bench(wire)


def write(bench: Bench, number: int, text: str, **more: Any) -> None:
    """As an application does that knows nothing of rows."""
    payload = {"text": text, "language": "en", **more}
    bench.wire.local.upsert("better", [models.PointStruct(id=number, vector=[vector_of(text)], payload=payload)])


def before_writing(bench: Bench, monkeypatch: pytest.MonkeyPatch, request: str, happens: Any) -> None:
    """Let something happen in the server right before it is sent ``request`` for the first time."""
    answer, done = bench.wire.faults.next, []

    def watch(sent: str) -> Any:
        if request in sent and not done:
            done.append(sent)
            happens()
        return answer(sent)

    monkeypatch.setattr(bench.wire.faults, "next", watch)


def test_where_an_alias_names_the_collection_they_get_rows_too(bench: Bench) -> None:
    bench.augment(fusion=VIEWS, alias="live")
    write(bench, 900, "valve of the wifi")
    write(bench, 1, "refund of the invoice")
    report = bench.augment(fusion=VIEWS, alias="live")
    assert (report.in_place, report.others, report.settled) == (2, 0, True)
    contents = bench.contents()
    for number, text in ((900, "valve of the wifi"), (1, "refund of the invoice")):
        payload, rows = contents[number]
        assert payload["text"] == text
        assert payload["xqg"]["queries"]["fr"]
        assert len(rows) == 2  # the first row and its one sentence
    bench.generator.asked.clear()
    assert bench.augment(fusion=VIEWS, alias="live").work.upserted == 0
    assert bench.generator.asked == []
    assert bench.contents() == contents


def test_they_can_be_left_as_they_are(bench: Bench) -> None:
    bench.augment(fusion=VIEWS, alias="live")
    write(bench, 900, "valve of the wifi")
    report = bench.augment(fusion=VIEWS, alias="live", others=False)
    assert (report.in_place, report.others) == (0, 1)
    assert "xqg" not in bench.contents()[900][0]


def test_what_is_written_while_it_is_augmented_is_not_overwritten(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.augment(fusion=VIEWS, alias="live")
    write(bench, 900, "valve of the wifi")
    before_writing(bench, monkeypatch, "PUT /collections/better/points", lambda: write(bench, 900, "battery, newer"))
    report = bench.augment(fusion=VIEWS, alias="live")
    payload, rows = bench.contents()[900]
    assert payload["text"] == "battery, newer"
    assert (report.settled, payload["xqg"]["queries"]["fr"][0], len(rows)) == (True, "fr 0 battery,", 2)


def test_a_newer_payload_with_the_same_text_is_not_overwritten(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.augment(fusion=VIEWS, alias="live")
    write(bench, 900, "valve of the wifi", kept={"status": "draft"})
    newer = {"status": "published"}
    happens = partial(write, bench, 900, "valve of the wifi", kept=newer)
    before_writing(bench, monkeypatch, "PUT /collections/better/points", happens)
    assert bench.augment(fusion=VIEWS, alias="live").settled
    payload, rows = bench.contents()[900]
    assert (payload["kept"], len(rows)) == (newer, 2)


@pytest.mark.parametrize("number", [3, 900], ids=["copied", "in place"])
def test_a_newer_point_that_carries_our_key_is_not_overwritten(bench: Bench, number: int) -> None:
    bench.augment(fusion=VIEWS, alias="live")
    write(bench, 900, "valve of the wifi")
    bench.augment(fusion=VIEWS, alias="live")
    write(bench, number, "refund, newer", xqg=bench.contents()[number][0]["xqg"])
    newer = bench.contents()[number]
    bench.wire.local.set_payload("docs", {"text": "password, changed in the source"}, [3])
    for again in ({}, {"fusion": {**VIEWS, "alpha": 0.2}, "update": True}):
        report = bench.augment(**{"fusion": VIEWS, "alias": "live", **again})
        assert (report.settled, report.others, report.work.outdated) == (True, 1, 0)
        assert bench.contents()[number] == newer
    bench.wire.local.delete("docs", [3])
    bench.augment(fusion={**VIEWS, "alpha": 0.2}, alias="live")
    assert bench.contents()[number] == newer


def test_a_changed_payload_stays_beside_our_rows(bench: Bench) -> None:
    bench.augment(fusion=VIEWS, alias="live")
    write(bench, 900, "valve of the wifi")
    bench.augment(fusion=VIEWS, alias="live")
    bench.wire.local.set_payload("better", {"status": "published"}, [3, 900])
    bench.augment(fusion={**VIEWS, "alpha": 0.2}, alias="live", update=True)
    contents = bench.contents()
    for number in (3, 900):
        assert (contents[number][0]["status"], len(contents[number][1])) == ("published", 2)


def test_a_point_of_ours_that_was_written_anew_is_not_overwritten(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.augment(fusion=VIEWS)
    bench.wire.local.set_payload("docs", {"text": "password, changed in the source"}, [3])
    before_writing(bench, monkeypatch, "PUT /collections/better/points", lambda: write(bench, 3, "mine, newer"))
    bench.augment(fusion=VIEWS)
    assert bench.contents()[3][0] == {"text": "mine, newer", "language": "en"}


def test_deletions_take_only_what_is_still_ours(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.augment(fusion=VIEWS)
    bench.wire.local.delete("docs", [2, 4])
    before_writing(bench, monkeypatch, "/collections/better/points/delete", lambda: write(bench, 2, "mine, newer"))
    bench.augment(fusion=VIEWS)
    contents = bench.contents()
    assert 4 not in contents
    assert contents[2][0]["text"] == "mine, newer"
