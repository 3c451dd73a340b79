"""What is found first, with encoders whose vectors have much in common and any length."""

import json
from pathlib import Path

import pytest

from tests.fakes import WORDS, FakeEncoder, FakeGenerator, FakeStore, fake_profile
from xqg.ingest.job import IngestJob
from xqg.languages import LanguageDetector
from xqg.search.searcher import Searcher
from xqg.settings import IngestSettings, validated


@pytest.mark.parametrize("rule", ["views", "neutral", "mean", "sum", "plain"])
@pytest.mark.parametrize(("common", "scale"), [(0.0, 1.0), (20.0, 1.0), (20.0, 0.01), (1.0, 50.0)])
def test_every_word_finds_its_own_passage_first(tmp_path: Path, rule: str, common: float, scale: float) -> None:
    source = tmp_path / "corpus.jsonl"
    words = [word for word in WORDS if word not in ("language", "other")]
    records = [{"id": word, "text": f"{word} is other", "language": "en"} for word in words]
    source.write_text("".join(json.dumps(record) + "\n" for record in records))
    encoder, store = FakeEncoder("cosine", common=common, scale=scale), FakeStore()
    generator = None if rule == "plain" else FakeGenerator()
    values = {"spec": "none"} if generator is None else {"spec": "hf:unused", "languages": ("fr", "ja")}
    store_settings = {"spec": "edge:unused", "collection": "c"}
    settings = validated(IngestSettings, {"store": store_settings, "generator": values, "fusion": {"rule": rule}})
    job = IngestJob(settings, generator, encoder, store, LanguageDetector(), fake_profile)
    assert job.run([str(source)], tmp_path / "rejects.jsonl").upserted == len(words)
    found = Searcher(encoder, store).search_many(words, 1)
    assert [hit.passage.id for (hit,) in found] == words
