"""Writes no questions: translates each passage's title and sentences, which become versions of its pieces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from xqg.fusion.pieces import own_texts
from xqg.generators.cleaning import LanguageCheck
from xqg.generators.translation.checks import find_fault, trim_translation
from xqg.generators.translation.memory import TranslationMemory
from xqg.protocols import Generation, Translator
from xqg.records import Passage, Translation

Pair = tuple[str, str]
"""The languages from which and into which a text is translated."""


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
