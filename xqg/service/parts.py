"""The models and stores of the service: built at their first use, shared by all jobs and questions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any, TypeVar, cast

from xqg.assembly import build_encoder, build_generator, build_store, open_store, pin_encoder
from xqg.encoders.profiles import find_profile
from xqg.ingest.job import IngestJob
from xqg.languages import LanguageDetector
from xqg.metadata import noted_encoder
from xqg.protocols import Encoder, QueryGenerator, VectorStore
from xqg.search.searcher import Searcher, check_encoder, require_collection
from xqg.settings import EncoderSettings, GeneratorSettings, IngestSettings, StoreSettings

Part = TypeVar("Part")

FRESH_SECONDS = 30.0
"""How long what was read of a server's collection holds: aliases move and other software writes."""


class Parts:
    """Builds each part once. :param store: where all collections are; its collection is only a stand-in.

    :param endpoint: this machine's part of an encoder's settings: device, base_url, api_key.
    """

    def __init__(self, store: StoreSettings, endpoint: dict[str, Any]) -> None:
        self.store_settings, self._endpoint = store, endpoint
        self.detector = LanguageDetector()
        self._models: dict[str, Any] = {}
        self._stores: dict[str, VectorStore] = {}
        self._searchers: dict[str, tuple[float, Searcher, Encoder]] = {}
        self._lock = threading.RLock()

    def place(self, collection: str) -> StoreSettings:
        """The settings of the store with this collection."""
        return self.store_settings.model_copy(update={"collection": collection})

    def store(self, collection: str) -> VectorStore:
        """The store of a collection, to write and read; closed by `close` and `forget` alone."""
        with self._lock:
            if collection not in self._stores:
                self._stores[collection] = build_store(self.place(collection))
            return cast(VectorStore, _Lent(self._stores[collection]))

    def encoder(self, settings: EncoderSettings, for_search: bool = False) -> Encoder:
        """An encoder, checked. :param for_search: one of its own, so that no question waits for a job."""
        key = f"encoder {for_search} {settings.model_dump_json()}"
        return self._model(key, lambda: build_encoder(settings, for_search), alone=settings.spec != "bundled")

    def generator(self, settings: GeneratorSettings) -> QueryGenerator | None:
        """A generator, checked; None for ``none``."""
        if settings.spec == "none":
            return None
        if settings.spec.startswith("file:"):
            return build_generator(settings, self.detector)  # it holds the file as it was when it was opened
        return self._model(f"generator {settings.model_dump_json()}", lambda: build_generator(settings, self.detector))

    def job(self, settings: IngestSettings) -> IngestJob:
        """An ingestion with shared parts. :raises XqgError: if one cannot be used."""
        store = self.store(settings.store.collection)
        settings = pin_encoder(settings, store)
        generator, encoder = self.generator(settings.generator), self.encoder(settings.encoder)
        return IngestJob(settings, generator, encoder, store, self.detector, find_profile, lenient=True)

    def searcher(self, collection: str) -> tuple[Searcher, Encoder] | None:
        """What answers questions to a collection, with its encoder; None where the store has no such collection.

        :raises XqgError: if it is not xqg's, or its encoder cannot be used.
        """
        with self._lock:
            known = self._searchers.get(collection)
        if known is not None and time.monotonic() < known[0]:
            return known[1], known[2]
        store, place = self.readable(collection), self.place(collection)
        if store.describe() is None:
            return None
        found = require_collection(store, collection)
        encoder = self.encoder(noted_encoder(found.metadata, self._endpoint, collection), for_search=True)
        check_encoder(found, encoder, collection)
        searcher = Searcher(encoder, store)
        until = time.monotonic() + (FRESH_SECONDS if place.embedded_path is None else float("inf"))
        with self._lock:
            self._searchers[collection] = (until, searcher, encoder)
        return searcher, encoder

    def look_again(self, collection: str) -> None:
        """Open a collection anew for the next question."""
        with self._lock:
            self._searchers.pop(collection, None)

    def forget(self, collection: str) -> None:
        """Close what is open of a collection."""
        with self._lock:
            self._searchers.pop(collection, None)
            stores = [self._stores.pop(key, None) for key in (collection, f"read {collection}")]
        for store in stores:
            if store is not None:
                store.close()

    def check_store(self) -> None:
        """:raises StoreError: if the store does not answer."""
        if self.store_settings.embedded_path is None:
            with closing(build_store(self.place("xqg-readiness"))) as store:
                store.describe()

    def close(self) -> None:
        """Close all stores."""
        with self._lock:
            names = [name.removeprefix("read ") for name in self._stores]
        for name in names:
            self.forget(name)

    def readable(self, collection: str) -> VectorStore:
        """The store of a collection as it is searched: also one that `xqg augment` made."""
        if self.store_settings.embedded_path is not None:
            return self.store(collection)
        key = f"read {collection}"
        with self._lock:
            known = self._searchers.get(collection)
            if key in self._stores and known is not None and time.monotonic() < known[0]:
                return cast(VectorStore, _Lent(self._stores[key]))
        opened = open_store(self.place(collection))
        with self._lock:
            self._stores[key] = opened  # the one before may still answer a question: it closes with its last user
        return cast(VectorStore, _Lent(opened))

    def _model(self, key: str, build: Callable[[], Part], alone: bool = True) -> Part:
        """A model. :param alone: its methods wait for each other, since it is not made for several threads."""
        with self._lock:
            if key not in self._models:
                self._models[key] = _Locked(build()) if alone else build()
            return cast(Part, self._models[key])


class _Locked:
    """One call at a time."""

    def __init__(self, part: Any) -> None:
        self._part, self._lock = part, threading.Lock()

    def __getattr__(self, name: str) -> Any:
        with self._lock:
            value = getattr(self._part, name)
        return self._guard(value) if callable(value) else value

    def _guard(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            with self._lock:
                return method(*arguments, **options)

        return call


class _Lent:
    """What is lent to those who close what they use: ``close`` does nothing."""

    def __init__(self, part: Any) -> None:
        self._part = part

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part, name)

    def close(self) -> None:
        """Nothing."""
