"""Translating passages: what is translated, once, what is dropped, and what is remembered."""

import copy
import json
import pickle
import sqlite3

import pytest

from xqg import models
from xqg.assembly import build_generator
from xqg.errors import GenerationError
from xqg.generators.answer_cache import TranslationMemory
from xqg.generators.translation.generator import Together, TranslatingGenerator, find_fault
from xqg.languages import LanguageDetector
from xqg.protocols import Generation
from xqg.records import GeneratedQuery, Passage, Translation
from xqg.settings import GeneratorSettings

LONG = "Sim, e também o dia seguinte, mas não mais do que isso, claro, se ele não for usado demais durante o dia."
PAGE = Passage("a", "The battery lasts a day. Charge it at night.", "Battery", "en")
OTHER = Passage("b", "Charge it at night. The wifi is slow today.", "", "en")


class Everything:
    def is_language(self, text, language, rivals=()):
        return True


class Shouting:
    """Says the target language, then the text in capitals; ``fail_at`` a text it breaks down."""

    metered = False

    def __init__(self, fail_at=None):
        self.asked, self.fail_at = [], fail_at

    @property
    def identity(self):
        return {"engine": "shouting"}

    def check(self):
        pass

    def translate(self, texts, source, target):
        for text in texts:
            if text == self.fail_at:
                raise GenerationError("broke down")
            self.asked.append((source, target, text))
            yield text, f"{target}: {text.upper()}"


def generator_of(tmp_path, translator=None, detector=None):
    memory = TranslationMemory(tmp_path / "cache" / "memory.sqlite")
    return TranslatingGenerator(translator or Shouting(), memory, detector or Everything())


def test_title_and_sentences_are_translated_each_text_once(tmp_path):
    translator = Shouting()
    made = generator_of(tmp_path, translator).generate([(PAGE, ("pt", "de")), (OTHER, ("pt", "en"))])
    assert made == Generation(
        (),
        {},
        (
            Translation("a", "pt", ("pt: BATTERY", "pt: THE BATTERY LASTS A DAY.", "pt: CHARGE IT AT NIGHT.")),
            Translation("a", "de", ("de: BATTERY", "de: THE BATTERY LASTS A DAY.", "de: CHARGE IT AT NIGHT.")),
            Translation("b", "pt", ("pt: CHARGE IT AT NIGHT.", "pt: THE WIFI IS SLOW TODAY.")),
        ),
    )
    assert len(translator.asked) == len(set(translator.asked)) == 4 + 3


def test_nothing_is_translated_twice_also_after_a_breakdown(tmp_path):
    broken = Shouting(fail_at="Charge it at night.")
    with pytest.raises(GenerationError, match="broke down"):
        generator_of(tmp_path, broken).generate([(PAGE, ("pt",))])
    assert [text for _, _, text in broken.asked] == ["Battery", "The battery lasts a day."]
    mended = Shouting()
    made = generator_of(tmp_path, mended).generate([(PAGE, ("pt",))])
    assert [text for _, _, text in mended.asked] == ["Charge it at night."]
    assert len(made.translations[0].texts) == 3
    again = Shouting()
    assert generator_of(tmp_path, again).generate([(PAGE, ("pt",))]) == made
    assert again.asked == []


def test_another_translator_or_language_is_another_memory(tmp_path):
    generator_of(tmp_path).generate([(PAGE, ("pt",))])
    other = Shouting()
    other.__class__ = type("Louder", (Shouting,), {"identity": {"engine": "louder"}})
    generator_of(tmp_path, other).generate([(PAGE, ("pt",))])
    assert len(other.asked) == 3


def test_the_memory_is_its_owners_and_a_damaged_one_is_told(tmp_path):
    generator_of(tmp_path).generate([(PAGE, ("pt",))])
    path = tmp_path / "cache" / "memory.sqlite"
    assert path.stat().st_mode & 0o077 == 0
    assert sqlite3.connect(path).execute("SELECT count(*) FROM memory").fetchone() == (3,)
    damaged = tmp_path / "damaged.sqlite"
    damaged.write_bytes(b"no database " * 100)
    with pytest.raises(GenerationError, match=r"damaged\.sqlite cannot be used.*Delete that file"):
        TranslationMemory(damaged).recall({}, "pt", ["a"])


@pytest.mark.parametrize(
    ("text", "translation", "fault"),
    [
        ("The battery lasts a whole day.", "A bateria dura um dia inteiro.", None),
        ("Turn it on.", "", "empty"),
        ("Turn it on.", " – ", "empty"),
        ("Choose the folder Downloads.", "choose the folder  downloads.", "copy"),
        ("The battery lasts a whole day.", "a bateria dura " * 4, "repetition"),
        ("The battery lasts a whole day.", LONG, "length"),
        ("A link stays valid for 30 minutes.", "Um link permanece válido por três minutos.", "numbers"),
        ("Since 2019, 1,250 people came.", "Desde 2019 vieram 1.250 pessoas.", None),
        ("It was founded in 1066.", "تأسست في عام ١٠٦٦ ميلادية.", None),
        ("It lasts a whole day and a night.", "The battery lasts for one whole day and one night.", "language"),
    ],
)  # fmt: skip
def test_what_went_wrong_is_told_from_the_texts(text, translation, fault):
    target = "ar" if "تأسست" in translation else "pt"
    assert find_fault(text, translation, "en", target, LanguageDetector()) == fault


def test_faults_are_dropped_and_counted(tmp_path):
    class Copying(Shouting):
        def translate(self, texts, source, target):
            yield from ((text, text if "night" in text else f"Tudo  bem\x07 {text[::-1]}") for text in texts)

    made = generator_of(tmp_path, Copying()).generate([(PAGE, ("pt",))])
    assert made.dropped == {"copy": 1}
    assert made.translations[0].texts[0] == "Tudo bem yrettaB"


@pytest.mark.parametrize("spec", ["translate", "translate:openai:m", "translate:libretranslate:http://h.example/"])
def test_generators_that_translate_travel_to_other_processes(spec, tmp_path, monkeypatch):
    monkeypatch.setattr(models, "cache_folder", lambda: tmp_path)
    settings = GeneratorSettings(
        spec=f"{spec}+bundled", languages=("pt",), api_key="a-key", base_url="http://h.example/"
    )
    generator = build_generator(settings, LanguageDetector())
    generator._generators[0]._memory.recall({}, "pt", ["a"])  # opens a connection, which cannot travel
    assert pickle.loads(pickle.dumps(generator)).identity == copy.deepcopy(generator).identity == generator.identity


def test_two_generators_are_one(tmp_path):
    class Asking:
        identity, metered = {"kind": "asking"}, True

        def languages(self):
            return ("pt",)

        def check(self):
            pass

        def generate(self, requests):
            return Generation(
                tuple(GeneratedQuery(passage.id, "pt", "Quanto?") for passage, _ in requests), {"empty": 2}
            )

    both = Together([generator_of(tmp_path), Asking()])
    both.check()
    made = both.generate([(PAGE, ("pt",))])
    assert ([query.text for query in made.queries], len(made.translations[0].texts)) == (["Quanto?"], 3)
    assert (made.dropped, both.metered, both.languages()) == ({"empty": 2}, True, ("pt",))
    assert json.dumps(both.identity) == json.dumps(
        {"kind": "together", "generators": [{"kind": "translate", "engine": "shouting"}, {"kind": "asking"}]}
    )
