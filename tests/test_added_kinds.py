"""A package that adds kinds with entry points: nothing of xqg is touched."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from xqg import open_ingestion, open_searcher
from xqg.cli import main
from xqg.errors import MissingDependencyError, SettingsError
from xqg.settings import EncoderSettings, GeneratorSettings, StoreSettings

MODULE = """
from pathlib import Path
from tests.fakes import FakeEncoder, FakeGenerator
from xqg.stores.edge import EdgeStore

def encoder(settings):
    return FakeEncoder(revision=settings.spec.partition(":")[2])

def generator(settings, detector):
    assert detector.is_language("How are you today?", "en")
    return FakeGenerator(settings.queries_per_language)

def store(settings):
    return EdgeStore(Path(settings.spec.partition(":")[2]), settings.collection)
"""
POINTS = """
[xqg.encoders]
words = added_kinds_sample:encoder
broken = added_kinds_sample:missing
bundled = added_kinds_sample:encoder
[xqg.generators]
firstword = added_kinds_sample:generator
[xqg.stores]
shelf = added_kinds_sample:store
"""


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A throw-away package, as pip would install it."""
    site = tmp_path / "site"
    information = site / "added_kinds_sample-1.0.dist-info"
    information.mkdir(parents=True)
    (site / "added_kinds_sample.py").write_text(MODULE, encoding="utf-8")
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: added-kinds-sample\nVersion: 1.0\n", "utf-8")
    (information / "entry_points.txt").write_text(POINTS, encoding="utf-8")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.chdir(tmp_path)


def test_all_three_kinds_from_python() -> None:
    place = {"store": "shelf:books", "collection": "help"}
    with open_ingestion(**place, encoder="words:1", generator="firstword", languages=["fr"], rule="mean") as job:
        report = job.ingest([{"id": "a", "text": "battery valve", "language": "en"}])
    assert report.generated == 5
    with open_searcher(**place, encoder="words:1") as searcher:
        (hit,) = searcher.search("battery")
        found = searcher.look_up(hit.passage.id)
    assert found is not None and found.entry.texts.queries["fr"][0] == "fr 0 battery"
    assert Path("books/help/xqg.json").is_file()


def test_from_the_command_line() -> None:
    Path("corpus.jsonl").write_text('{"id": "a", "text": "battery valve"}', encoding="utf-8")
    place = ["--store", "shelf:books", "--collection", "help", "--encoder", "words:1"]
    assert CliRunner().invoke(main, ["ingest", "corpus.jsonl", *place, "--rule", "plain"]).exit_code == 0
    found = CliRunner().invoke(main, ["search", "valve", *place, "--json"])
    assert '"id": "a"' in found.output


def test_the_stored_name_of_an_added_encoder_is_not_followed() -> None:
    """Who can write a collection's metadata must not choose which code runs."""
    place = {"store": "shelf:books", "collection": "help"}
    with open_ingestion(**place, encoder="words:1", rule="plain") as job:
        job.ingest([{"id": "a", "text": "battery valve"}])
    with pytest.raises(SettingsError, match="--encoder words:1"):
        open_searcher(**place)


def test_what_cannot_be_loaded_and_what_is_unknown() -> None:
    with pytest.raises(MissingDependencyError, match=r"'broken' of xqg\.encoders cannot be loaded"):
        open_ingestion(store="shelf:books", collection="help", encoder="broken:1")
    with pytest.raises(SettingsError, match="choose bundled, hf:MODEL, openai:MODEL, words, broken"):
        EncoderSettings(spec="other:1")
    with pytest.raises(SettingsError, match="firstword"):
        GeneratorSettings(spec="other:1", languages=["fr"])
    with pytest.raises(SettingsError, match="no store"):
        StoreSettings(spec="other:place", collection="help")


def test_our_own_kinds_stay_ours() -> None:
    with open_ingestion(store="edge:data", collection="help", encoder="bundled", rule="plain") as job:
        job.ingest([{"id": "a", "text": "battery valve"}])
    with open_searcher(store="edge:data", collection="help") as searcher:
        assert len(searcher.search("battery")) == 1


def test_a_server_is_asked_for_where_only_one_will_do() -> None:
    result = CliRunner().invoke(main, ["augment", "--store", "shelf:books", "--collection", "a", "--into", "b"])
    assert result.exit_code == 2
    assert "http://localhost:6333" in result.output
