from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import models

from tests.fakes import WORDS, fake_profile
from tests.plugin.fakes import counts
from tests.stores.wire import WireServer
from xqg.errors import MissingDependencyError, SettingsError, StoreError
from xqg.plugin.augmenting import AugmenterSettings, open_augmenter
from xqg.settings import validated
from xqg.stores.edge import EdgeStore


@pytest.fixture
def generator(tmp_path: Path) -> dict[str, Any]:
    """A file with one French query for the passage "a": battery."""
    line = {"passage_id": "a", "language": "fr", "query": "battery"}
    (tmp_path / "queries.jsonl").write_text(json.dumps(line), encoding="utf-8")
    return {"spec": f"file:{tmp_path / 'queries.jsonl'}"}


def fused(options: dict[str, Any], text: str = "wifi wifi") -> list[float]:
    """The vector of the passage "a"."""
    made = open_augmenter(validated(AugmenterSettings, {"passage_language": "en", **options}))
    vectors = made.augment([made.passage("a", text)], [counts(text)], counts)
    vector: list[float] = vectors[0][0].tolist()
    return vector


def axes(**values: float) -> Any:
    return pytest.approx([values.get(word, 0.0) for word in WORDS])


class TestWeights:
    def test_mean_and_sum_with_their_defaults(self, generator: dict[str, Any]) -> None:
        assert fused({"generator": generator, "rule": "mean"}) == axes(battery=0.3, wifi=1.4)
        assert fused({"generator": generator, "rule": "sum"}) == axes(battery=0.01, wifi=1.98)
        assert fused({"generator": generator, "rule": "mean", "alpha": 0.5}) == axes(battery=0.5, wifi=1.0)

    def test_those_of_a_collection(self, tmp_path: Path) -> None:
        store = EdgeStore(tmp_path / "data", "docs")
        settings = {"encoder": {}, "distance": "dot", "rule": "views", "alpha": 0.5, "beta": 0.25, "views": 1}
        store.create(8, "dot", {"settings": settings, "profile": fake_profile().to_json()}, multivector=True)
        store.close()
        like = {"spec": f"edge:{tmp_path / 'data'}", "collection": "docs"}
        made = open_augmenter(validated(AugmenterSettings, {"passage_language": "en", "like": like}))
        text = "The wifi is quite slow. The valve is quite new."
        (rows,) = made.augment([made.passage("a", text)], [counts(text)], counts)
        assert made.writes_rows
        assert rows.shape == (2, 8)  # the first row and one view, as the collection's settings say
        base = 0.5 * np.array([1, 1]) / np.sqrt(2) + 0.5 * np.array([0, 1])  # valve, wifi; the first sentence is whole
        np.testing.assert_allclose(rows[0][3:5], 0.8 * base / np.linalg.norm(base), atol=1e-6)

    def test_under_cosine_vectors_are_brought_to_length_1_first(
        self, generator: dict[str, Any], wire: WireServer
    ) -> None:
        """Of a foreign layout, whose collection holds a vector without a name among named ones."""
        own = {"settings": {"encoder": {}, "distance": "cosine", "rule": "mean", "alpha": 0.5}, "profile": None}
        size = models.VectorParams(size=8, distance=models.Distance.COSINE)
        wire.local.create_collection("docs", vectors_config={"": size}, metadata={"xqg": own})
        like = {"spec": wire.url, "collection": "docs"}
        assert fused({"generator": generator, "like": like}) == axes(battery=0.5, wifi=0.5)

    def test_a_collection_without_weights(self, generator: dict[str, Any], wire: WireServer) -> None:
        size = models.VectorParams(size=8, distance=models.Distance.DOT)
        wire.local.create_collection("docs", vectors_config=size)
        with pytest.raises(StoreError, match="does not say how its rows were made"):
            fused({"generator": generator, "like": {"spec": wire.url, "collection": "docs"}})
        with pytest.raises(StoreError, match="no collection 'other'"):
            fused({"generator": generator, "like": {"spec": wire.url, "collection": "other"}})

    def test_rules_of_queries_need_a_generator(self) -> None:
        with pytest.raises(SettingsError, match="adds generated queries only"):
            fused({"rule": "mean"})


ROOMS = {"langchain": "langchain_core", "llamaindex": "llama_index", "haystack": "haystack", "mcp": "mcp"}


@pytest.mark.parametrize("room", ROOMS)
def test_a_missing_framework_is_told_with_its_install_line_and_the_others_are_not_needed(room: str) -> None:
    blocked = [package for other, package in ROOMS.items() if other != room]
    code = f"""
import importlib, sys
for package in {[*blocked, ROOMS[room]]}:
    sys.modules[package] = None
from xqg.errors import MissingDependencyError
try:
    importlib.import_module("xqg.plugin.{room}")
except MissingDependencyError as error:
    print(error.exit_code, error)
del sys.modules["{ROOMS[room]}"]
importlib.import_module("xqg.plugin.{room}")
print("fine")
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    told, fine = ran.stdout.splitlines()
    assert told.startswith(f"{MissingDependencyError.exit_code} ")
    assert f'pip install "xqg[{room}]"' in told
    assert fine == "fine", ran.stderr
