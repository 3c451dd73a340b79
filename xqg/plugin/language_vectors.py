"""Which named vector of a collection a query is compared with, where there is one for each language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from xqg.languages import NAMES, LanguageDetector


class LanguageVectors:
    """Picks the vector of a query's language, and the fused one for every other language.

    :param names: the vector's name by language (ISO 639-1). :param default: the name of the fused vector.
    """

    def __init__(self, names: Mapping[str, str], default: str) -> None:
        self._names, self._default, self._detector = dict(names), default, LanguageDetector()

    def vector_for(self, query: str, language: str | None = None) -> str:
        """The name of the vector for ``query``; ``language`` is its language, None: detected."""
        spoken = self._detector.choose(query, tuple(self._names)) if language is None else language
        return self._default if spoken is None else self._names.get(spoken, self._default)


def names_by_language(vectors: Iterable[str]) -> dict[str, str]:
    """The vectors that are called after a language (ISO 639-1), by language."""
    return {name: name for name in vectors if name in NAMES}
