"""A passage that a part fails on: the run's end, or, for those who cannot look, a reject."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.fakes import FakeEncoder, FakeStore, fake_profile
from tests.ingest.test_worker import settings
from xqg.errors import EncodingError, StoreError, StoreUnreachableError, XqgError
from xqg.ingest.collection import open_collection
from xqg.ingest.ingest_report import IngestReport
from xqg.ingest.worker import IngestWorker
from xqg.protocols import Point
from xqg.records import Passage, Reject, Vectors


class Strict(FakeEncoder):
    """Raises on passages with "poison"."""

    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        if any("poison" in passage.text for passage in passages):
            raise EncodingError("no")
        return super().encode_passages(passages)


class Down(FakeStore):
    """Takes nothing."""

    def __init__(self, error: XqgError) -> None:
        super().__init__()
        self.error = error

    def upsert(self, points: Sequence[Point]) -> None:
        raise self.error


def passages(*texts: str) -> list[Passage]:
    return [Passage(str(number), text, document_hash="1") for number, text in enumerate(texts)]


def run(texts: Sequence[str], store: FakeStore, size: int, lenient: bool = True) -> tuple[IngestReport, list[Reject]]:
    chosen, encoder, rejects = settings(generator={"spec": "none"}, fusion={"rule": "plain"}), Strict(), list[Reject]()
    opened = open_collection(store, encoder, None, chosen, (), fake_profile)
    report = IngestWorker(None, encoder, store, opened, size, lenient).run(passages(*texts), rejects.append)
    return report, rejects


@pytest.mark.parametrize("size", [1, 2, 3, 10])
def test_what_fails_alone_is_a_reject_and_the_rest_is_stored(size: int) -> None:
    store = FakeStore()
    report, rejects = run(["a valve", "poison", "wifi", "poison again", "refund"], store, size)
    assert sorted(store.stored) == ["0", "2", "4"]
    assert [reject.record["id"] for reject in rejects] == ["1", "3"]
    assert rejects[0].reason == "no."
    assert (report.read, report.upserted, report.rejected) == (5, 3, 2)


def test_without_leniency_the_run_ends() -> None:
    with pytest.raises(EncodingError):
        run(["a valve", "poison"], FakeStore(), 2, lenient=False)


@pytest.mark.parametrize("texts", [["poison"], ["poison", "poison too"]])
def test_where_nothing_can_be_taken_it_is_no_fault_of_the_passages(texts: list[str]) -> None:
    with pytest.raises(EncodingError):
        run(texts, FakeStore(), 2)


@pytest.mark.parametrize("error", [StoreError("full"), StoreUnreachableError("down")])
def test_a_store_that_takes_nothing_ends_the_run(error: XqgError) -> None:
    with pytest.raises(type(error)):
        run(["a valve", "wifi", "refund"], Down(error), 2)
