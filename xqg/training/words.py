"""Counts the words of a query that nobody writes.

Small generators invent some where they know a language little, or leave some as they are in the passage.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from xqg.errors import MissingDependencyError
from xqg.records import GeneratedQuery, Passage

CountWords = Callable[[GeneratedQuery, Passage], int]
"""How many words of a query nobody writes, given the passage that it was written for."""

_STEM = 4
"""A word that begins as one of the passage's does is taken for a name or a term that was carried over and inflected."""

_ORDINARY = re.compile(r"(?<![\w.@/-])[^\W\d_]{3,}(?![\w@/]|\.\w)")
"""A word that is no part of a path, an address or an identifier."""

_COMMON = 3.3
"""From this Zipf frequency on (of a billion words 2,000) a word of the passage's language is taken for no
name; "openstack" and "emacs" are rarer."""

_RARER = 1.3
"""A word is the passage's language's alone where it is twenty times as common in it as in the query's: "library" in
Vietnamese is, "software" in German is not."""

_OWN_SEGMENTER = frozenset({"ja", "ko", "zh"})
"""wordfreq has their words, but needs other packages to find them in a text."""


class WordLists:
    """Looks words up in the frequency lists of wordfreq, some 30 to 300 thousand words a language.

    Robyn Speer (2022), doi 10.5281/zenodo.7199437. A list is read when its language is first met.

    :raises MissingDependencyError: without wordfreq; says how to install it.
    """

    def __init__(self) -> None:
        try:
            import wordfreq
        except ImportError as error:
            raise MissingDependencyError(
                "Looking words up needs wordfreq",
                "not installed here",
                'Install it: pip install "xqg[train]", or add --no-check-words',
            ) from error
        self._lists: Any = wordfreq
        self._languages = frozenset(wordfreq.available_languages("best")) - _OWN_SEGMENTER
        # a passage's queries come one after the other
        self._stems = lru_cache(maxsize=1)(self._read_stems)
        self._ordinary = lru_cache(maxsize=1)(self._read_ordinary)

    def count_unknown(self, query: GeneratedQuery, passage: Passage) -> int:
        """How many words of ``query`` nobody writes in its language: invented, or ordinary ones left untranslated.

        Invented are those that stand neither in its language's list nor, inflected or not, in ``passage``; none is in a
        language without a list or without spaces between words (Chinese, Japanese, Korean, Thai).
        """
        return self._count_invented(query, passage) + self._count_untranslated(query, passage)

    def _count_invented(self, query: GeneratedQuery, passage: Passage) -> int:
        if query.language not in self._languages:
            return 0
        carried = self._stems(f"{passage.title} {passage.text}", self._home(passage))
        words = self._lists.tokenize(query.text, query.language)
        return sum(word[:_STEM] not in carried and not self._is_listed(word, query.language) for word in words)

    def _count_untranslated(self, query: GeneratedQuery, passage: Passage) -> int:
        if query.language == passage.language:
            return 0
        home = self._home(passage)
        ordinary = self._ordinary(f"{passage.title}\n{passage.text}", home)
        words = [word.lower() for word in _ORDINARY.findall(query.text)]
        return sum(
            word in ordinary and self._zipf(word, query.language) < self._zipf(word, home) - _RARER for word in words
        )

    def _home(self, passage: Passage) -> str:
        return passage.language if passage.language in self._languages else "en"

    def _read_ordinary(self, text: str, language: str) -> frozenset[str]:
        """The common words of a text that are written small somewhere in it: names are not."""
        words = {word for word in _ORDINARY.findall(text) if word.islower()}
        return frozenset(word for word in words if self._zipf(word, language) >= _COMMON)

    def _zipf(self, word: str, language: str) -> float:
        """How common a word is: the logarithm (base 10) of its number among a billion words; 0 without a list."""
        return float(self._lists.zipf_frequency(word, language)) if language in self._languages else 0.0

    def _read_stems(self, text: str, language: str) -> frozenset[str]:
        return frozenset(word[:_STEM] for word in self._lists.tokenize(text, language))

    def _is_listed(self, word: str, language: str) -> bool:
        return bool(self._lists.word_frequency(word, language) > 0)
