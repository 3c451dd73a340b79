"""The language of short passages, and of sources one after the other."""

import json

import pytest

from tests.readers.test_readers import read
from xqg.languages import LanguageDetector
from xqg.readers import sources
from xqg.readers.corpus import Corpus
from xqg.records import Passage
from xqg.settings import ReaderSettings

ENGLISH = [
    "Hold your badge against the reader of the gate until the light turns green.",
    "The canteen is closed on public holidays and on every second Friday.",
    "Guests park behind the house and sign the book at the desk.",
]
GERMAN = "Die Kantine ist an Feiertagen und an jedem zweiten Freitag geschlossen."
SHORT = ["Espresso machine DeLonghi Magnifica", "Canteen menu", "Error E04: door open", "Reset PIN"]


@pytest.fixture(scope="module")
def detector():
    return LanguageDetector()


def write(path, texts, **fields):
    records = [{"id": f"{path.stem}{number}", "text": text, **fields} for number, text in enumerate(texts)]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def languages(found):
    return [item.language for item in found if isinstance(item, Passage)]


def test_short_passages_are_in_the_language_of_the_others_also_of_later_ones(tmp_path, detector):
    source = write(tmp_path / "c.jsonl", [*SHORT, *ENGLISH, GERMAN])
    assert languages(read(source, ReaderSettings(), detector)) == ["en"] * 7 + ["de"]


def test_a_corpus_of_short_passages_alone(tmp_path, detector):
    source = write(tmp_path / "c.jsonl", [*SHORT, "Spaghetti carbonara with bacon", "Kettle 1.7 l stainless steel"])
    assert languages(read(source, ReaderSettings(), detector)) == ["en"] * 6


def test_the_languages_that_records_name_count_for_those_that_name_none(tmp_path, detector):
    write(tmp_path / "c.jsonl", ["Menu", "Café latte", "Bistro"], language="fr")
    source = tmp_path / "c.jsonl"
    source.write_text(source.read_text() + '{"id": "x", "text": "Canteen menu"}\n')
    assert languages(read(source, ReaderSettings(), detector)) == ["fr"] * 4


def test_only_the_first_records_are_held_to_learn_from(tmp_path, detector, monkeypatch):
    monkeypatch.setattr(sources, "WINDOW_RECORDS", 2)
    source = write(tmp_path / "c.jsonl", [*ENGLISH, *[GERMAN] * 9, "Canteen menu"])
    assert languages(read(source, ReaderSettings(), detector)) == ["en"] * 3 + ["de"] * 9 + ["en"]


def test_each_source_has_its_own_main_language_and_falls_back_on_those_before(tmp_path, detector):
    sources = [
        write(tmp_path / "a.jsonl", ENGLISH),
        write(tmp_path / "b.jsonl", SHORT[1:2]),
        write(tmp_path / "d.jsonl", [GERMAN, "Reset PIN"]),
        write(tmp_path / "e.jsonl", SHORT[1:2]),
    ]
    corpus = Corpus([str(source) for source in sources], ReaderSettings(), len, detector)
    assert languages(corpus) == ["en", "en", "en", "en", "de", "de", "en"]
    assert languages(corpus) == ["en", "en", "en", "en", "de", "de", "en"]
