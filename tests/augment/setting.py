"""What the tests of `xqg augment` share: a source of plain points, and a job with parts whose output can be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qdrant_client import models

from tests.fakes import WORDS, FakeEncoder, FakeGenerator, fake_profile
from tests.stores.wire import WireServer
from xqg.augment.job import AugmentJob
from xqg.augment.source import AugmentReport
from xqg.languages import LanguageDetector
from xqg.records import Passage
from xqg.settings import AugmentSettings, IngestSettings, StoreSettings, validated
from xqg.stores.server import Server

HALF = {"rule": "mean", "alpha": 0.5}
TEXTS = ("battery battery is full", "invoice is late", "password is gone", "wifi is gone", "refund is late")


def vector_of(text: str) -> list[float]:
    """What the fake encoder makes of ``text``."""
    numbers: list[float] = FakeEncoder().encode_passages([Passage("", text)])[0].tolist()
    return numbers


def plain_points(texts: Sequence[str] = TEXTS, first: int = 1) -> list[models.PointStruct]:
    return [
        models.PointStruct(
            id=number,
            vector=vector_of(text),
            payload={"text": text, "language": "en", "n": number, "tags": [1.5, None]},
        )
        for number, text in enumerate(texts, start=first)
    ]


def make_source(wire: WireServer, distance: models.Distance = models.Distance.COSINE, **arguments: Any) -> None:
    """The collection "docs" with one point for each text, written by nobody in particular."""
    vectors = models.VectorParams(size=len(WORDS), distance=distance)
    wire.local.create_collection("docs", vectors_config=vectors, **arguments)
    wire.local.upsert("docs", plain_points())


class Bench:
    """Augments "docs" into "better", with counted parts."""

    def __init__(self, wire: WireServer) -> None:
        self.wire, self.encoder, self.generator = wire, FakeEncoder(), FakeGenerator()

    def job(
        self,
        source: str = "docs",
        fusion: Any = None,
        update: bool = False,
        index: tuple[str, ...] = (),
        **options: Any,
    ) -> AugmentJob:
        settings: AugmentSettings = validated(AugmentSettings, {"into": "better", **options})
        values = {
            "store": {"spec": self.wire.url, "collection": settings.into},
            "generator": {"spec": "hf:unused", "languages": ("fr", "ja"), "queries_per_language": 2},
            "fusion": fusion or HALF,
            "batch_size": 2,
            "update": update,
            "index": index,
        }
        ingest: IngestSettings = validated(IngestSettings, values)
        server = Server(StoreSettings(spec=self.wire.url, collection=source), lambda seconds: None)
        parts = self.generator, self.encoder, server, LanguageDetector(), fake_profile
        return AugmentJob(source, settings, ingest, *parts)

    def augment(self, **options: Any) -> AugmentReport:
        with self.job(**options) as job:
            return job.run()

    def contents(self, name: str = "better") -> dict[Any, Any]:
        """Payloads and vectors of a collection by id."""
        records, _ = self.wire.local.scroll(name, limit=10_000, with_vectors=True)
        return {record.id: (record.payload, record.vector) for record in records}
