"""Counts the words of a query that nobody writes: small generators invent some where they know a language little."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from xqg.errors import MissingDependencyError
from xqg.records import GeneratedQuery, Passage

CountWords = Callable[[GeneratedQuery, Passage], int]
"""How many words of a query nobody writes, given the passage that it was written for."""

_STEM = 4
"""A word that begins as one of the passage's does is taken for a name or a term that was carried over and inflected."""

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
        self._stems = lru_cache(maxsize=1)(self._read_stems)  # a passage's queries come one after the other

    def count_unknown(self, query: GeneratedQuery, passage: Passage) -> int:
        """How many words of ``query`` stand neither in its language's list nor, inflected or not, in ``passage``.

        Always 0 in a language without a list or without spaces between words (Chinese, Japanese, Korean, Thai).
        """
        if query.language not in self._languages:
            return 0
        home = passage.language if passage.language in self._languages else "en"
        carried = self._stems(f"{passage.title} {passage.text}", home)
        words = self._lists.tokenize(query.text, query.language)
        return sum(word[:_STEM] not in carried and not self._is_listed(word, query.language) for word in words)

    def _read_stems(self, text: str, language: str) -> frozenset[str]:
        return frozenset(word[:_STEM] for word in self._lists.tokenize(text, language))

    def _is_listed(self, word: str, language: str) -> bool:
        return bool(self._lists.word_frequency(word, language) > 0)
