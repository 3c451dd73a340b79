"""Two runs that make one collection at the same moment: of two with different settings only one goes on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from tests.fakes import FakeEncoder, FakeGenerator, FakeStore, fake_profile
from tests.stores.samples import make_store
from tests.stores.wire import WireServer
from xqg.errors import FingerprintError, StoreError
from xqg.ingest.collection import open_collection
from xqg.settings import IngestSettings, validated

ENCODER, GENERATOR = FakeEncoder(), FakeGenerator()


def settings(alpha, **changes):
    values = {
        "store": {"spec": "edge:unused", "collection": "docs"},
        "generator": {"spec": "hf:unused", "languages": ("fr",)},
        "fusion": {"rule": "mean", "alpha": alpha},
        **changes,
    }
    return validated(IngestSettings, values)


def open_with(store, alpha, **changes):
    return open_collection(store, ENCODER, GENERATOR, settings(alpha, **changes), ("fr",), fake_profile)


class Overtaken(FakeStore):
    """A store in which another run makes the collection between the look and the making."""

    def __init__(self, alpha):
        super().__init__()
        self.alpha = alpha

    def create(self, dimension, distance, metadata, multivector=False):
        alpha, self.alpha = self.alpha, None
        if alpha is not None:
            open_with(self, alpha)
        super().create(dimension, distance, metadata, multivector)


def test_the_loser_with_other_settings_is_told_of_both():
    with pytest.raises(FingerprintError, match=r"alpha: stored 0\.5, asked 0\.2"):
        open_with(Overtaken(0.5), 0.2)


def test_the_loser_with_the_same_settings_goes_on_and_looks_before_it_writes():
    opened = open_with(Overtaken(0.5), 0.5)
    assert not opened.fresh


def test_an_empty_collection_is_not_nobodys():
    store = FakeStore()
    assert open_with(store, 0.5).fresh
    with pytest.raises(FingerprintError, match="--update"):
        open_with(store, 0.2)
    assert open_with(store, 0.2, update=True).metadata["state"] == "updating"


def test_a_store_that_cannot_make_it_says_why():
    class Full(FakeStore):
        def create(self, dimension, distance, metadata, multivector=False):
            raise StoreError("The disk is full")

    with pytest.raises(StoreError, match="disk is full"):
        open_with(Full(), 0.5)


def test_of_many_on_one_server_those_of_one_setting_win():
    with WireServer() as server:
        for attempt in range(10):
            barrier = Barrier(4)

            def claim(alpha, collection=f"docs{attempt}", barrier=barrier):
                store = make_store(server, collection=collection)
                barrier.wait()
                try:
                    open_with(store, alpha)
                except FingerprintError:
                    return None
                return alpha

            with ThreadPoolExecutor(4) as pool:
                won = set(pool.map(claim, [0.5, 0.2, 0.5, 0.2])) - {None}
            assert len(won) == 1
            stored = make_store(server, collection=f"docs{attempt}").describe()
            assert stored is not None
            assert {stored.metadata["settings"]["alpha"]} == won
