"""Translations that people keep: JSON lines, PO, TMX, XLIFF."""

import json
import textwrap
from pathlib import Path

import pytest

from xqg.assembly import build_generator
from xqg.errors import InputError
from xqg.ingest.failures import ENOUGH, FailureTally
from xqg.languages import LanguageDetector
from xqg.records import Passage, Translation
from xqg.settings import GeneratorSettings

PAGE = Passage("a", "The battery lasts a day.\n\nCharge it at night. Never leave it in the sun.", "Battery", "en")

PO = """
    msgid ""
    msgstr "Language: {language}\\nContent-Type: text/plain; charset=UTF-8\\n"

    msgid "Battery"
    msgstr "Batterie"

    msgid "Charge it  at night. Never leave it in the sun."
    msgstr "Laden Sie ihn nachts. Lassen Sie ihn nie in der Sonne."

    #, fuzzy
    msgid "The battery lasts a day."
    msgstr "Der Akku ist leer."

    msgid "Something else"
    msgstr "Etwas anderes"

    #~ msgid "Old"
    #~ msgstr "Alt"
"""

TMX = """
    <?xml version="1.0"?>
    <tmx version="1.4"><header srclang="en-US"/><body>
      <tu><tuv xml:lang="de"><seg>Batterie</seg></tuv><tuv xml:lang="en-US"><seg>Battery</seg></tuv>
          <tuv xml:lang="fr-FR"><seg>Pile</seg></tuv></tu>
      <tu><tuv xml:lang="en"><seg>The battery <bpt i="1"/>lasts a day.</seg></tuv>
          <tuv xml:lang="fr"><seg>La pile tient un jour.</seg></tuv></tu>
    </body></tmx>
"""

XLIFF = """
    <xliff xmlns="urn:oasis:names:tc:xliff:document:1.2" version="1.2">
      <file source-language="en" target-language="fr-CA" original="a"><body>
        <trans-unit id="1"><source>Battery</source><target>Pile</target></trans-unit>
        <trans-unit id="2"><source>Charge it at night.</source></trans-unit>
      </body></file>
    </xliff>
"""

XLIFF2 = """
    <xliff xmlns="urn:oasis:names:tc:xliff:document:2.0" version="2.0" srcLang="en" trgLang="fr">
      <file id="f"><unit id="1"><segment><source>Battery</source><target>Pile</target></segment></unit></file>
    </xliff>
"""


def put(path: Path, text: str) -> Path:
    path.write_text(textwrap.dedent(text).strip() + "\n", encoding="utf-8")
    return path


def generator_of(path):
    return build_generator(GeneratorSettings(spec=f"file:{path}"), LanguageDetector())


def test_a_po_file_gives_titles_and_paragraphs(tmp_path):
    generator = generator_of(put(tmp_path / "help.po", PO.format(language="de_DE")))
    assert generator.languages() == ("de",)
    made = generator.generate([(PAGE, ("de", "fr")), (Passage("b", "Nothing of that."), ("de",))])
    texts = ("Batterie", "Laden Sie ihn nachts.", "Lassen Sie ihn nie in der Sonne.")
    assert made.translations == (Translation("a", "de", texts),)
    assert made.queries == ()


def test_a_corpus_may_begin_with_pages_that_nobody_translated(tmp_path):
    """A model of which nothing can be kept for so many has failed; translators just have not got there."""
    generator = generator_of(put(tmp_path / "help.po", PO.format(language="de")))
    pages = [Passage(str(number), f"Page {number} is new.", language="en") for number in range(ENOUGH + 5)]
    tally = FailureTally()
    requests = [(page, ("de",)) for page in pages]
    tally.add(requests, generator.generate(requests))
    tally.finish()
    assert (tally.unanswered, tally.failed) == (ENOUGH + 5, 0)


def test_the_language_of_a_po_file_may_be_its_name(tmp_path):
    assert generator_of(put(tmp_path / "de.po", PO.format(language=""))).languages() == ("de",)
    with pytest.raises(InputError, match=r"help\.po does not say its language"):
        generator_of(put(tmp_path / "help.po", PO.format(language="")))


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("m.tmx", TMX, {"de": ("Batterie",), "fr": ("Pile", "La pile tient un jour.")}),
        ("m.xlf", XLIFF, {"fr": ("Pile",)}),
        ("m.xliff", XLIFF2, {"fr": ("Pile",)}),
    ],
)
def test_xml_files(tmp_path, name, text, expected):
    generator = generator_of(put(tmp_path / name, text))
    made = generator.generate([(PAGE, generator.languages())])
    assert {found.language: found.texts for found in made.translations} == expected


def test_a_folder_holds_many(tmp_path):
    put(tmp_path / "de.po", PO.format(language="de"))
    put(tmp_path / "fr.xlf", XLIFF)
    generator = generator_of(tmp_path)
    assert generator.languages() == ("de", "fr")
    assert generator.identity != generator_of(tmp_path / "de.po").identity


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("m.tmx", "<tmx>", "is no XML that can be read"),
        ("m.tmx", '<!DOCTYPE t [<!ENTITY a "b">]><tmx>&a;</tmx>', "is no XML that can be read"),
        ("m.po", "nothing", "is no PO file"),
        ("m.xlf", "<xliff/>", "has no translated text"),
    ],
)
def test_files_that_are_none(tmp_path, name, text, message):
    with pytest.raises(InputError, match=message):
        generator_of(put(tmp_path / name, text))


def test_lines_hold_queries_and_translations(tmp_path):
    path = tmp_path / "texts.jsonl"
    lines = [
        {"passage_id": "a", "language": "de", "text": "Der Akku hält einen Tag. Laden Sie ihn nachts."},
        {"passage_id": "a", "language": "de", "text": "Batterie"},
        {"passage_id": "a", "language": "fr", "query": "Combien dure la pile ?"},
        {"passage_id": "a", "language": "fr"},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    generator = generator_of(path)
    assert generator.languages() == ("de", "fr")
    made = generator.generate([(PAGE, ("de", "fr"))])
    assert made.translations == (
        Translation("a", "de", ("Der Akku hält einen Tag.", "Laden Sie ihn nachts.", "Batterie")),
    )
    assert [query.text for query in made.queries] == ["Combien dure la pile ?"]
    assert made.dropped == {"malformed": 1}
