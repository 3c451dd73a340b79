"""A generator that answers rubbish gets no alias; what it failed at is asked for again by the next run."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.augment.setting import Bench, make_source
from tests.fakes import FakeGenerator
from tests.stores.wire import WireServer
from xqg.errors import GenerationError
from xqg.protocols import Failure, Generation
from xqg.records import Passage


class FailingGenerator(FakeGenerator):
    """Fails at the passages with these ids."""

    def __init__(self, *broken: str) -> None:
        super().__init__()
        self.broken = set(broken)

    def generate(self, requests: Sequence[tuple[Passage, Sequence[str]]]) -> Generation:
        found = super().generate([request for request in requests if request[0].id not in self.broken])
        lost = [(passage.id, code) for passage, codes in requests for code in codes if passage.id in self.broken]
        return Generation(found.queries, found.dropped, failures=tuple(Failure(*one, "overloaded") for one in lost))


@pytest.fixture
def bench(wire: WireServer) -> Bench:
    make_source(wire)
    return Bench(wire)


def test_rubbish_for_most_moves_no_alias(bench: Bench) -> None:
    generator = FailingGenerator("1", "2", "3", "4")
    bench.generator = generator
    with pytest.raises(GenerationError, match="requests for queries failed, the last with: overloaded"):
        bench.augment(alias="live")
    assert bench.wire.local.get_aliases().aliases == []
    generator.broken.clear()
    report = bench.augment(alias="live")
    assert report.settled
    assert report.alias == {"alias": "live", "was": None, "now": "better"}
    assert all(payload["xqg"]["queries"]["fr"] for payload, _ in bench.contents().values())


def test_one_failure_is_told_and_asked_for_again(bench: Bench) -> None:
    generator = FailingGenerator("3")
    bench.generator = generator
    report = bench.augment(alias="live")
    assert report.settled
    assert report.work.failed > 0
    assert bench.contents()[3][0]["xqg"]["queries"] == {}
    generator.broken.clear()
    report = bench.augment(alias="live")
    assert report.work.failed == 0
    assert bench.contents()[3][0]["xqg"]["queries"]["fr"]
