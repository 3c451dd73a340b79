"""Writes no questions: translates each passage's title and sentences, which become versions of its pieces."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from xqg.fusion.pieces import columns, own_texts
from xqg.generators.answer_cache import TranslationMemory
from xqg.generators.cleaning import EMPTY, LANGUAGE, REPETITION, LanguageCheck, comparable, has_content, is_looped
from xqg.protocols import Generation, QueryGenerator, Translator
from xqg.records import Passage, Translation

Pair = tuple[str, str]
"""The languages from which and into which a text is translated."""


COPY, LENGTH, NUMBERS = "copy", "length", "numbers"

LONGEST_RATIO = 3.0
"""Of widths in columns, either way round; texts under `SHORT_COLUMNS` may differ more.

Of 10,846 paragraphs and questions of XQuAD that people translated into 11 languages two, in Chinese, are beyond it.
"""
SHORT_COLUMNS = 20

_NUMBER = re.compile(r"\d{2,}")


class TranslatingGenerator:
    """A `QueryGenerator` of translations, with any `Translator`; each text is translated once, whoever has it.

    :param memory: keeps what was translated, over runs too.
    """

    def __init__(self, translator: Translator, memory: TranslationMemory, detector: LanguageCheck) -> None:
        self._translator, self._memory, self._detector = translator, memory, detector

    @property
    def identity(self) -> Mapping[str, Any]:
        """That of the translator; loads no weights."""
        return {"kind": "translate", **self._translator.identity}

    @property
    def metered(self) -> bool:
        """Whether translating costs money."""
        return self._translator.metered

    def languages(self) -> tuple[str, ...]:
        """None: the target languages must be named."""
        return ()

    def check(self) -> None:
        """:raises XqgError: if the translator cannot be used."""
        self._translator.check()

    def generate(self, requests: Sequence[tuple[Passage, Sequence[str]]]) -> Generation:
        """Translations of each passage into each language, without those that went wrong; no queries.

        :raises GenerationError: if the translator fails; what it translated before is kept.
        """
        found: dict[Pair, dict[str, str]] = {}
        wanted = [
            (passage, language, own_texts(passage))
            for passage, languages in requests
            for language in languages
            if language != passage.language
        ]
        for passage, language, texts in wanted:
            found.setdefault((passage.language, language), {}).update(dict.fromkeys(texts, ""))
        for pair, texts_of_pair in found.items():
            self._translate(pair, texts_of_pair)
        dropped: Counter[str] = Counter()
        translations = []
        for passage, language, texts in wanted:
            kept = []
            for text in texts:
                translation = trim_translation(found[passage.language, language][text])
                fault = find_fault(text, translation, passage.language, language, self._detector)
                if fault is None:
                    kept.append(translation)
                else:
                    dropped[fault] += 1
            if kept:
                translations.append(Translation(passage.id, language, tuple(kept)))
        return Generation((), dict(dropped), tuple(translations))

    def _translate(self, pair: Pair, texts: dict[str, str]) -> None:
        """Fill in the translations, those that are known from the memory; new ones are remembered as they come."""
        known = self._memory.recall(self._translator.identity, pair[1], list(texts))
        texts.update(known)
        missing = [text for text in texts if text not in known]
        if not missing:
            return
        for text, translation in self._translator.translate(missing, *pair):
            self._memory.remember(self._translator.identity, pair[1], text, translation)
            texts[text] = translation


class Together:
    """What each of the generators writes, one after the other."""

    def __init__(self, generators: Sequence[QueryGenerator]) -> None:
        self._generators = tuple(generators)

    @property
    def identity(self) -> Mapping[str, Any]:
        """Those of all; loads no weights."""
        return {"kind": "together", "generators": [dict(generator.identity) for generator in self._generators]}

    @property
    def metered(self) -> bool:
        """Whether calls of one of them cost money."""
        return any(generator.metered for generator in self._generators)

    def languages(self) -> tuple[str, ...]:
        """The languages of the first that has some of its own, else ()."""
        return next((found for generator in self._generators if (found := generator.languages())), ())

    def check(self) -> None:
        """:raises XqgError: if one of them cannot be used."""
        for generator in self._generators:
            generator.check()

    def generate(self, requests: Sequence[tuple[Passage, Sequence[str]]]) -> Generation:
        """What all of them write. :raises GenerationError: if one fails."""
        return Generation.joined([generator.generate(requests) for generator in self._generators])


def trim_translation(text: str) -> str:
    """``text`` on one line, without control characters."""
    shown = "".join(" " if unicodedata.category(sign) in ("Cc", "Cs") else sign for sign in text)
    return " ".join(shown.split())


def find_fault(text: str, translation: str, source: str, target: str, detector: LanguageCheck) -> str | None:
    """Why ``translation`` cannot be one of ``text``, from the language ``source`` into ``target``; None: it can."""
    if not has_content(translation):
        return EMPTY
    if comparable(translation) == comparable(text):
        return COPY
    if is_looped(translation) and not is_looped(text):
        return REPETITION
    widths = sorted((max(columns(text), SHORT_COLUMNS), max(columns(translation), SHORT_COLUMNS)))
    if widths[1] > LONGEST_RATIO * widths[0]:
        return LENGTH
    if not set(_numbers(text)) <= set(_numbers(translation)):
        return NUMBERS
    return None if detector.is_language(translation, target, (source,)) else LANGUAGE


def _numbers(text: str) -> list[str]:
    """The numbers of two and more digits, in ASCII: a clock's, a year, the groups of a long one."""
    return _NUMBER.findall("".join(str(unicodedata.decimal(sign, sign)) for sign in text))
