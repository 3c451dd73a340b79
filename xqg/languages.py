"""Telling which language a text is in; codes and names are those of `xqg.language_codes`."""

from __future__ import annotations

import difflib
import math
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from xqg.errors import SettingsError
from xqg.language_codes import NAMES as NAMES
from xqg.language_codes import names_no_language as names_no_language
from xqg.language_codes import told_language as told_language
from xqg.language_codes import understood_language

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

INDISTINGUISHABLE = (
    frozenset({"no", "nb", "nn", "da"}),
    frozenset({"hr", "bs", "sr"}),
    frozenset({"id", "ms", "jv"}),
    frozenset({"gl", "pt"}),
    frozenset({"hi", "mr", "ne"}),
)
"""Languages so close that a detector's choice between them says nothing about a short text."""

HEAD_START = 5.0
"""How far (natural logarithm of the likelihood) another language must lead before a text that was asked for in one is
refused: what a generator was asked for is likelier than any other language to begin with.

Of people's package descriptions (Debian, up to 250 in each of 15 languages) 98.8 % pass in their own language (96.9 %
without), and asked for in one of 21 others 0.5 % (0.2 %).
"""

DETECTED_CHARACTERS = 1000
"""How much of title and text the language is detected from."""

DEFAULT_LANGUAGE = "en"

FOREIGN_MARGIN = 20.0
"""How far (natural logarithm of the likelihood) a language must lead before a text counts as being in it in a corpus of
another one. It is also the most that one text says about its corpus.

Of up to 400 short texts (help titles and descriptions, GNOME; package descriptions, Debian) in each of 8 languages 0 to
1.0 % are taken for another language at 20 (0.5 to 7.5 % without a margin), and 0.4 to 3.3 % of those in 20 other
languages for the corpus's. From 3 of them on their corpus's language is always found, and where two in five are in
another language, in 99.8 %.
"""


def language_name(code: str) -> str:
    """The English name of an ISO 639-1 code.

    :raises SettingsError: if the code is not known; names the nearest ones.
    """
    if code not in NAMES:
        raise _unknown(code)
    return NAMES[code]


def language_code(tag: str) -> str:
    """The ISO 639-1 code of a language, however it is written: "en", "EN", "en-GB", "eng", "eng_Latn", "English".

    :raises SettingsError: if the language is not known; names the nearest ones.
    """
    code = understood_language(tag)
    if code is None:
        raise _unknown(tag)
    return code


def known_language(tag: str | None) -> str | None:
    """`language_code` for settings; None stays None. :raises SettingsError: if the language is not known."""
    return None if tag is None else language_code(tag)


def _unknown(tag: str) -> SettingsError:
    code = understood_language(tag)
    near = difflib.get_close_matches(tag.lower()[:16], NAMES, n=3, cutoff=0.5) if code is None else [code]
    hint = " or ".join(f"{known} ({NAMES[known]})" for known in near) or "for example fr, ja or ar"
    return SettingsError(f"Unknown language {tag!r}", "an ISO 639-1 code", f"Try {hint}")


class LanguageDetector:
    """Tells which of the languages in `NAMES` a text is in, with py3langid's naive Bayes model (4 MB, shipped)."""

    def __init__(self) -> None:
        self._identifier: LanguageIdentifier | None = None

    def detect(self, text: str) -> str:
        """The most likely language of ``text``, as ISO 639-1."""
        return next(iter(self.rank(text)))

    def is_language(self, text: str, language: str, rivals: Sequence[str] = ()) -> bool:
        """Whether ``text`` can pass for ``language``.

        Short texts full of names are hard to identify among 100 languages, so a text is refused only where one of
        ``rivals`` (the passage's language and the other targets) is likelier than ``language`` by `HEAD_START`, or
        where it is written in another script. A language that the model does not know is always accepted.
        """
        ranking = self.rank(text)
        if language not in ranking or _are_close(next(iter(ranking)), language):
            return True
        strangers = [rival for rival in rivals if rival in ranking and not _are_close(rival, language)]
        if any(ranking[rival] - ranking[language] > HEAD_START for rival in strangers):
            return False
        return _is_written_in(language, _script(text))

    def rank(self, text: str) -> dict[str, float]:
        """How likely each language that the model knows is, best first: logarithms, up to a constant."""
        if self._identifier is None:
            from py3langid.langid import MODEL_FILE, LanguageIdentifier

            identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
            identifier.set_languages(sorted(set(identifier.labels) & set(NAMES)))
            self._identifier = identifier  # only now: other threads may ask meanwhile
        return {code: float(score) for code, score in self._identifier.rank(text)}


class CorpusLanguage:
    """Decides the language of a corpus's texts that name none: detected where it is clear, else that of the corpus.

    "Canteen menu" says little by itself; among English texts it is English.

    :param before: what was learnt from other parts of the corpus; it counts where this part does not tell.
    """

    def __init__(self, detector: LanguageDetector, before: CorpusLanguage | None = None) -> None:
        self._detector = detector
        self._own: dict[str, float] = {}
        self._earlier: dict[str, float] = {} if before is None else _sum(before._own, before._earlier)

    def learn(self, text: str, language: str | None = None) -> None:
        """Take a text of the corpus into account; ``language`` is what it names, None: nothing."""
        if language is not None:
            told = {code: 0.0 if code == language else -FOREIGN_MARGIN for code in NAMES}
        elif _has_letters(text):
            ranking = self._detector.rank(text)
            best = max(ranking.values())
            told = {code: max(ranking.get(code, -math.inf) - best, -FOREIGN_MARGIN) for code in NAMES}
        else:
            return
        self._own = _sum(self._own, told)

    @property
    def main(self) -> str | None:
        """The language that all texts so far together are likeliest to be in; None before the first."""
        first, second = (*sorted(self._own.values(), reverse=True)[:2], *[0.0] * 2)[:2]
        # one clear text is enough
        evidence = self._own if first - second > FOREIGN_MARGIN / 2 else _sum(self._own, self._earlier)
        return max(evidence, key=lambda code: evidence[code]) if evidence else None

    def settle(self, text: str) -> str:
        """The language of ``text``, as ISO 639-1; English where neither it nor the corpus tells one."""
        main = self.main
        if not _has_letters(text):
            return DEFAULT_LANGUAGE if main is None else main
        ranking = self._detector.rank(text)
        best = next(iter(ranking))
        if main is None or ranking[best] - ranking.get(main, -math.inf) > FOREIGN_MARGIN:
            return best
        return main if _is_written_in(main, _script(text)) else best


def _has_letters(text: str) -> bool:
    return any(map(str.isalpha, text))


def _sum(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, float]:
    return {code: first.get(code, 0.0) + second.get(code, 0.0) for code in {**first, **second}}


def _are_close(first: str, second: str) -> bool:
    return first == second or any(first in group and second in group for group in INDISTINGUISHABLE)


_SCRIPT_LANGUAGES: dict[str, str] = {
    "ARABIC": "ar fa ku pa ps ug ur", "ARMENIAN": "hy", "BENGALI": "as bn", "CJK": "ja zh",
    "CYRILLIC": "be bg kk ky mk mn ru sr tg tt uk",
    "DEVANAGARI": "hi mr ne", "ETHIOPIC": "am", "GEORGIAN": "ka", "GREEK": "el", "GUJARATI": "gu", "GURMUKHI": "pa",
    "HANGUL": "ko", "HEBREW": "he", "HIRAGANA": "ja", "KANNADA": "kn", "KATAKANA": "ja", "KHMER": "km", "LAO": "lo",
    "LATIN": "kk ku sr tt", "MALAYALAM": "ml", "MYANMAR": "my", "ORIYA": "or", "SINHALA": "si", "TAMIL": "ta",
    "TELUGU": "te", "THAI": "th",
}  # fmt: skip
"""The languages written in each script; every language that stands nowhere here is written in Latin letters."""


def _is_written_in(language: str, script: str) -> bool:
    if language in _SCRIPT_LANGUAGES.get(script, "").split():
        return True
    return script == "LATIN" and not any(language in codes.split() for codes in _SCRIPT_LANGUAGES.values())


def _script(text: str) -> str:
    """The script that most letters of ``text`` belong to, as the first word of their Unicode names; "" without any."""
    scripts = Counter(unicodedata.name(letter, "?").split()[0] for letter in text if letter.isalpha())
    return max(scripts, key=lambda script: scripts[script], default="")
