"""GGUF files and the bundled generator: converted once, kept in the cache folder, never left half done."""

import json
import logging
import threading

import pytest
from transformers import AutoTokenizer

from tests.models import make_tokenizer, write_gguf
from xqg.assembly import build_generator
from xqg.errors import ModelError, SettingsError
from xqg.generators.causal import BundledGenerator, CausalGenerator
from xqg.generators.gguf import (
    base_revision,
    cache_folder,
    cached_model,
    converted_folder,
    load_converted_tokenizer,
    shorten_merges,
)
from xqg.generators.prompts import prompt_identity
from xqg.languages import LanguageDetector
from xqg.models import file_hash
from xqg.records import Passage
from xqg.settings import GeneratorSettings

OWL = Passage(id="owl", title="Owls", text="Owls hunt at night.")


class EveryLanguage:
    def is_language(self, text, language, rivals=()):
        return True


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XQG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "generators"


def test_a_gguf_file_is_converted_once_and_writes_queries(cache, tmp_path, monkeypatch, capfd):
    file = write_gguf(tmp_path / "tiny.gguf", make_tokenizer())
    settings = GeneratorSettings(
        spec=f"hf:{file}", languages=("fr",), queries_per_language=2, max_new_tokens=6, top_k=50
    )
    generator = CausalGenerator(settings, EveryLanguage())
    generator.check()
    assert not cache.exists(), "a check converts nothing"
    first = generator.generate([(OWL, ("fr",))])
    assert first.queries
    assert [folder.name for folder in cache.iterdir()] == [file_hash(file)[:32]]
    assert any(path.suffix == ".safetensors" for path in next(cache.iterdir()).iterdir())
    (folder,) = cache.iterdir()
    quick, usual = load_converted_tokenizer(str(folder)), AutoTokenizer.from_pretrained(folder)
    text = "Owls hunt at night.\n\nFrench question:"
    assert quick(text).input_ids == usual(text).input_ids
    assert (quick.eos_token_id, quick.get_vocab()) == (usual.eos_token_id, usual.get_vocab())
    monkeypatch.setattr("xqg.generators.gguf.convert_gguf", None)
    again = CausalGenerator(settings, EveryLanguage())
    assert again.generate([(OWL, ("fr",))]) == first
    assert again.identity["model"] == "tiny.gguf"
    assert str(tmp_path) not in str(again.identity)
    assert capfd.readouterr().err.count("Convert") == 0


def test_shorter_merges_make_the_same_tokens(tmp_path):
    tokenizer, file = make_tokenizer(), tmp_path / "tokenizer.json"
    tokenizer.save_pretrained(tmp_path)
    long = file.read_text(encoding="utf-8")
    shorten_merges(file)
    short = file.read_text(encoding="utf-8")
    assert len(short) < len(long)
    text = "Owls hunt at night.\n\nÉtrange: ふくろう"
    assert AutoTokenizer.from_pretrained(tmp_path)(text).input_ids == tokenizer(text).input_ids
    shorten_merges(file)
    assert file.read_text(encoding="utf-8") == short


def test_merges_with_spaces_in_them_stay_pairs(tmp_path):
    file = tmp_path / "tokenizer.json"
    text = json.dumps({"model": {"merges": [["a", "b"], ["a b", "c"]]}})
    file.write_text(text, encoding="utf-8")
    shorten_merges(file)
    assert file.read_text(encoding="utf-8") == text


def test_a_file_that_is_no_gguf(tmp_path, cache):
    (tmp_path / "model.gguf").write_bytes(b"PK\x03\x04 and more")
    settings = GeneratorSettings(spec=f"hf:{tmp_path / 'model.gguf'}", languages=("fr",))
    with pytest.raises(ModelError, match="expected a GGUF file"):
        CausalGenerator(settings, EveryLanguage()).check()
    (tmp_path / "model.gguf").write_bytes(b"GGUF\x03\x00\x00\x00 cut off")
    with pytest.raises(ModelError, match="cannot be converted"):
        CausalGenerator(settings, EveryLanguage()).generate([(OWL, ("fr",))])
    assert list(cache.iterdir()) == []


def write_model(file, folder):
    folder.mkdir()
    (folder / "config.json").write_text(file.read_text(encoding="utf-8"), encoding="utf-8")


def fetch(workshop):
    (workshop / "model.gguf").write_text("content", encoding="utf-8")
    return workshop / "model.gguf"


def test_an_interrupted_conversion_leaves_nothing(cache):
    def fail(file, folder):
        write_model(file, folder)
        raise OSError("no space left on device")

    with pytest.raises(ModelError, match="no space left") as refusal:
        converted_folder("key", fetch, fail)
    assert "XQG_CACHE" in refusal.value.remedy
    assert list(cache.iterdir()) == []
    folder = converted_folder("key", fetch, write_model)
    assert sorted(path.name for path in folder.iterdir()) == ["config.json"]
    assert list(cache.iterdir()) == [folder], "the fetched file is removed"
    assert converted_folder("key", fetch, fail) == folder


def test_two_conversions_at_once(cache):
    both = threading.Barrier(2, timeout=5)
    found = []

    def convert(file, folder):
        write_model(file, folder)
        both.wait()

    threads = [threading.Thread(target=lambda: found.append(converted_folder("key", fetch, convert))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [cache / "key"] * 2
    assert (cache / "key" / "config.json").read_text(encoding="utf-8") == "content"


def test_the_cache_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("XQG_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "xqg"


def test_the_bundled_generator_checks_without_converting(cache):
    generator = BundledGenerator(GeneratorSettings(languages=("fr",)), EveryLanguage())
    generator.check()
    identity = generator.identity
    assert (identity["model"], len(identity["revision"])) == ("gemma-3-270m, 4-bit, with xqg's adapter", 33)
    base = build_generator(GeneratorSettings(spec="bundled-base", languages=("fr",)), EveryLanguage())
    assert base.identity["model"] == "gemma-3-270m, 4-bit"
    assert base.identity["wording"] == prompt_identity("few-shot") != identity["wording"]
    assert not cache.exists()
    assert cached_model() is None
    (cache / base_revision()[:32]).mkdir(parents=True)
    (cache / base_revision()[:32] / "config.json").touch()
    assert cached_model() == cache / base_revision()[:32]


def test_the_bundled_adapter_refuses_what_it_was_not_trained_to_write(cache):
    settings = GeneratorSettings(languages=("fr",), augment_with="passages")
    with pytest.raises(SettingsError, match="trained to write in the style question and search"):
        build_generator(settings, EveryLanguage())
    assert build_generator(settings.model_copy(update={"spec": "bundled-base"}), EveryLanguage()) is not None


@pytest.mark.model
def test_the_bundled_generator_writes_french(caplog):
    settings = GeneratorSettings(languages=("fr",), queries_per_language=8)
    with caplog.at_level(logging.INFO):
        generation = BundledGenerator(settings, LanguageDetector()).generate([(OWL, ("fr",))])
    assert len(generation.queries) + sum(generation.dropped.values()) == 8
    assert len(generation.queries) >= 3
