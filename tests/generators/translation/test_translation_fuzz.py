"""Whatever translators' files and engines' answers hold: an error of ours, or translations that are texts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzzing import fuzzed, texts, values
from xqg.errors import XqgError
from xqg.generators.translation.endpoints import OpenAITranslator
from xqg.generators.translation.units import UnitsGenerator
from xqg.records import Passage
from xqg.settings import GeneratorSettings

PAGE = Passage("a", "The battery lasts a day.", "Battery", "en")

PO_LINES = [
    'msgid ""',
    'msgstr ""',
    '"Language: de\\n"',
    'msgid "Battery"',
    'msgstr "Batterie"',
    "#, fuzzy",
    "#~ msgid",
]
XML_PARTS = [
    "<?xml version='1.0'?>", "<tmx>", "</tmx>", "<header srclang='en'/>", "<body>", "</body>", "<tu>", "</tu>",
    "<tuv xml:lang='en'>", "<tuv xml:lang='de'>", "</tuv>", "<seg>Battery</seg>", "<seg>Batterie</seg>", "<xliff>",
    "</xliff>", "<file target-language='de'>", "</file>", "<trans-unit>", "</trans-unit>", "<source>Battery</source>",
    "<target>Batterie</target>", "<!DOCTYPE a [<!ENTITY b 'c'>]>", "&b;",
]  # fmt: skip


def mixed(parts: list[str]) -> st.SearchStrategy[str]:
    """Files of such parts and of strange texts between them."""
    return st.lists(st.one_of(st.sampled_from(parts), texts), max_size=20).map("\n".join)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("units")


@fuzzed
@given(mixed(PO_LINES + XML_PARTS), st.sampled_from(["de.po", "help.po", "help.tmx", "help.xlf"]))
def test_fuzz_files_of_translators(folder: Path, content: str, name: str) -> None:
    path = folder / name
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    try:
        made = UnitsGenerator(path).generate([(PAGE, ("de",))])
    except XqgError:
        return
    assert made.queries == () and made.failures == ()
    assert all(isinstance(text, str) and text for found in made.translations for text in found.texts)


class Answering:
    """An endpoint that always says the same."""

    def __init__(self, answer: object) -> None:
        self._answer = answer

    def post_json(self, *_: object, **__: object) -> object:
        return self._answer


CONTENTS = st.one_of(
    values,
    texts,
    mixed(['{"translations": [', "]}", '"Batterie"', ",", "```json", "```", "<think>", "</think>"]),
)


@fuzzed
@given(st.one_of(values, CONTENTS.map(lambda content: {"choices": [{"message": {"content": content}}]})))
def test_fuzz_answers_of_engines(answer: object) -> None:
    translator = OpenAITranslator(GeneratorSettings(spec="none"), "m", Answering(answer))  # type: ignore[arg-type]
    found = list(translator.translate(["Battery", "Charge"], "en", "de"))
    assert sorted(text for text, _ in found) == ["Battery", "Charge"]
    assert all(isinstance(translation, str) for _, translation in found)
