"""Generated passages instead of queries: encoded as passages, kept apart from collections with queries."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.fakes import FakeEncoder, FakeGenerator, FakeStore, fake_profile
from xqg.errors import FingerprintError, SettingsError
from xqg.ingest.job import IngestJob
from xqg.languages import LanguageDetector
from xqg.settings import GeneratorSettings, IngestSettings, validated


def ingest(folder: Path, store: FakeStore, encoder: FakeEncoder, kind: str, rule: str = "sum") -> None:
    corpus = folder / "corpus.jsonl"
    corpus.write_text(json.dumps({"id": "a", "text": "valve wifi", "language": "en"}), encoding="utf-8")
    settings = validated(
        IngestSettings,
        {
            "store": {"collection": "c"},
            "generator": {"languages": ("fr",), "queries_per_language": 2, "augment_with": kind},
            "fusion": {"rule": rule},
        },
    )
    with IngestJob(settings, FakeGenerator(), encoder, store, LanguageDetector(), fake_profile) as job:
        job.run([str(corpus)], folder / "rejects.jsonl")


@pytest.mark.parametrize(("kind", "passages", "queries"), [("queries", 1, 2), ("passages", 3, 0)])
def test_generated_passages_are_encoded_as_passages(tmp_path: Path, kind: str, passages: int, queries: int) -> None:
    encoder, store = FakeEncoder(), FakeStore()
    ingest(tmp_path, store, encoder, kind)
    assert (encoder.encoded_passages, encoder.encoded_queries) == (passages, queries)
    rows = store.stored["a"].rows
    assert rows is not None
    np.testing.assert_allclose(rows[:, 3], 0.99 * 1 + 0.01 * 2, rtol=1e-6)  # "valve" in both generated texts


def test_under_views_sentences_are_still_asked_as_questions(tmp_path: Path) -> None:
    encoder = FakeEncoder()
    ingest(tmp_path, FakeStore(), encoder, "passages", "views")
    assert (encoder.encoded_passages, encoder.encoded_queries) == (3, 1)


def test_a_collection_with_queries_takes_no_passages(tmp_path: Path) -> None:
    store = FakeStore()
    ingest(tmp_path, store, FakeEncoder(), "queries")
    with pytest.raises(FingerprintError, match="augment_with: stored 'queries', asked 'passages'"):
        ingest(tmp_path, store, FakeEncoder(), "passages")


def test_passages_may_be_longer_and_have_their_own_trained_style() -> None:
    queries = GeneratorSettings(languages=("fr",), style="search")
    passages = GeneratorSettings(languages=("fr",), style="search", augment_with="passages")
    assert (queries.token_limit, queries.trained_style) == (48, "search")
    assert (passages.token_limit, passages.trained_style) == (160, "passage")
    assert GeneratorSettings(languages=("fr",), augment_with="passages", max_new_tokens=99).token_limit == 99


def test_the_style_alone_makes_no_passages() -> None:
    with pytest.raises(SettingsError, match="--augment-with passages"):
        validated(
            IngestSettings, {"store": {"collection": "c"}, "generator": {"languages": ("fr",), "style": "passage"}}
        )
