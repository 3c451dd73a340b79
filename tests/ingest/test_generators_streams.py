"""Streams side by side: each with its share of the threads, the first error for all, and nothing left behind."""

import threading

import pytest
import torch

from xqg.ingest.generators.streams import STREAMS, run_streams, usual_streams


@pytest.fixture
def five_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(5)
    yield
    torch.set_num_threads(before)


def test_each_has_its_share_of_the_threads(five_threads):
    shares, met = {}, threading.Barrier(2)

    def work(stream, stop):
        met.wait(10)  # both are under way at once
        shares[stream] = torch.get_num_threads()

    run_streams(work, 2)
    assert shares == {0: 2, 1: 3}
    assert torch.get_num_threads() == 5
    later = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [5]


def test_one_is_no_thread_of_its_own():
    seen = []
    run_streams(lambda stream, stop: seen.append((stream, threading.current_thread())), 1)
    assert seen == [(0, threading.current_thread())]


@pytest.mark.parametrize("error", [ValueError, MemoryError])
def test_the_first_error_ends_the_others(error):
    stopped = []

    def work(stream, stop):
        if stream == 1:
            raise error("broken")
        stopped.append(stop.wait(10))

    with pytest.raises(error, match="broken"):
        run_streams(work, 2)
    assert stopped == [True]


def test_an_interrupt_ends_them(monkeypatch):
    ended = []

    def interrupted(futures):
        raise KeyboardInterrupt

    monkeypatch.setattr("xqg.ingest.generators.streams.as_completed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_streams(lambda stream, stop: ended.append(stop.wait(10)), 2)
    assert ended == [True, True]


def test_as_many_as_there_are_threads(five_threads):
    assert usual_streams(torch.device("cpu")) == STREAMS == 2
    assert usual_streams(torch.device("cuda")) == 1
    torch.set_num_threads(1)
    assert usual_streams(torch.device("cpu")) == 1
