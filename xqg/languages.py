"""ISO 639-1 codes with their English names, and telling which language a text is in."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from xqg.errors import SettingsError

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

NAMES: dict[str, str] = {
    "af": "Afrikaans", "am": "Amharic", "ar": "Arabic", "as": "Assamese", "az": "Azerbaijani",
    "be": "Belarusian", "bg": "Bulgarian", "bn": "Bengali", "br": "Breton", "bs": "Bosnian",
    "ca": "Catalan", "cs": "Czech", "cy": "Welsh", "da": "Danish", "de": "German",
    "el": "Greek", "en": "English", "eo": "Esperanto", "es": "Spanish", "et": "Estonian",
    "eu": "Basque", "fa": "Persian", "fi": "Finnish", "fo": "Faroese", "fr": "French",
    "ga": "Irish", "gl": "Galician", "gu": "Gujarati", "he": "Hebrew", "hi": "Hindi",
    "hr": "Croatian", "ht": "Haitian Creole", "hu": "Hungarian", "hy": "Armenian", "id": "Indonesian",
    "is": "Icelandic", "it": "Italian", "ja": "Japanese", "jv": "Javanese", "ka": "Georgian",
    "kk": "Kazakh", "km": "Khmer", "kn": "Kannada", "ko": "Korean", "ku": "Kurdish",
    "ky": "Kyrgyz", "la": "Latin", "lb": "Luxembourgish", "lo": "Lao", "lt": "Lithuanian",
    "lv": "Latvian", "mg": "Malagasy", "mk": "Macedonian", "ml": "Malayalam", "mn": "Mongolian",
    "mr": "Marathi", "ms": "Malay", "mt": "Maltese", "ne": "Nepali", "nl": "Dutch",
    "nb": "Norwegian Bokmål", "nn": "Norwegian Nynorsk", "no": "Norwegian", "oc": "Occitan", "or": "Odia",
    "pa": "Punjabi", "pl": "Polish", "ps": "Pashto", "pt": "Portuguese", "qu": "Quechua",
    "ro": "Romanian", "ru": "Russian", "rw": "Kinyarwanda", "se": "Northern Sami", "si": "Sinhala",
    "sk": "Slovak", "sl": "Slovenian", "sq": "Albanian", "sr": "Serbian", "sv": "Swedish",
    "sw": "Swahili", "ta": "Tamil", "te": "Telugu", "th": "Thai", "tl": "Tagalog",
    "tr": "Turkish", "ug": "Uyghur", "uk": "Ukrainian", "ur": "Urdu", "vi": "Vietnamese",
    "vo": "Volapük", "wa": "Walloon", "xh": "Xhosa", "zh": "Chinese", "zu": "Zulu",
    "fy": "West Frisian", "gd": "Scottish Gaelic", "ha": "Hausa", "ig": "Igbo", "ln": "Lingala",
    "my": "Burmese", "om": "Oromo", "sn": "Shona", "so": "Somali", "st": "Sotho",
    "tg": "Tajik", "tk": "Turkmen", "tt": "Tatar", "uz": "Uzbek", "yo": "Yoruba",
}  # fmt: skip

INDISTINGUISHABLE = (
    frozenset({"no", "nb", "nn", "da"}),
    frozenset({"hr", "bs", "sr"}),
    frozenset({"id", "ms", "jv"}),
    frozenset({"gl", "pt"}),
    frozenset({"hi", "mr", "ne"}),
)
"""Languages so close that a detector's choice between them says nothing about a short text."""

CLEAR_MARGIN = 1.0
"""How far (natural logarithm of the likelihood) a language must lead before a text counts as being in it.

Of 1,100 human questions in 11 languages (XQuAD) 99.7 % pass and none is taken for another language; of 1,185 package
descriptions in 14 (Debian; a few words, many of them names) 92.9 % pass and 1.2 % are taken for another (1.7 % without
a margin).
"""

HEAD_START = 5.0
"""How far (natural logarithm of the likelihood) another language must lead before a text that was asked for in one is
refused: what a writer was asked for is likelier than any other language before a word is read.

Of people's package descriptions (Debian, up to 250 in each of 15 languages) 98.8 % pass in their own language (96.9 %
without), and asked for in one of 21 others 0.5 % (0.2 %).
"""


def language_name(code: str) -> str:
    """The English name of an ISO 639-1 code.

    :raises SettingsError: if the code is not known; names the nearest ones.
    """
    name = NAMES.get(code)
    if name is not None:
        return name
    by_name = {english.lower(): known for known, english in NAMES.items()}
    if code.lower() in by_name:
        near = [by_name[code.lower()]]
    else:
        near = difflib.get_close_matches(code.lower(), NAMES, n=3, cutoff=0.5)
    hint = " or ".join(f"{known} ({NAMES[known]})" for known in near) or "for example fr, ja or ar"
    raise SettingsError(f"Unknown language {code!r}", "asked for an ISO 639-1 code", f"Try {hint}")


def known_language(code: str | None) -> str | None:
    """``code`` as it is, for settings. :raises SettingsError: if it is no known ISO 639-1 code; None is fine."""
    if code is not None:
        language_name(code)
    return code


def language_code(tag: str) -> str:
    """The ISO 639-1 code in a language tag: "en" of "EN", "pt-BR" or "zh_Hans_CN".

    :raises SettingsError: if its language is not known.
    """
    code = tag.strip().replace("_", "-").partition("-")[0].lower()
    language_name(code)
    return code


class LanguageDetector:
    """Tells which of the languages in `NAMES` a text is in, with py3langid's naive Bayes model (4 MB, shipped)."""

    def __init__(self) -> None:
        self._identifier: LanguageIdentifier | None = None

    def detect(self, text: str) -> str:
        """The most likely language of ``text``, as ISO 639-1."""
        return self._rank(text)[0][0]

    def choose(self, text: str, languages: Sequence[str]) -> str | None:
        """The one of ``languages`` that ``text`` is in; None where it is in another one, or too short to tell."""
        ranking = self._rank(text)
        best, likelihood = ranking[0]
        if likelihood - max(score for code, score in ranking if not _are_close(code, best)) < CLEAR_MARGIN:
            return None
        if best in languages:
            return best
        close = [language for language in languages if _are_close(language, best)]
        return close[0] if len(close) == 1 else None

    def is_language(self, text: str, language: str, rivals: Sequence[str] = ()) -> bool:
        """Whether ``text`` can pass for ``language``.

        Short texts full of names are hard to tell apart over 100 languages, so a text is
        refused only where one of ``rivals`` (the languages it could have been confused with: the
        passage's own and the other targets) is likelier than ``language`` by `HEAD_START`, or where the best language
        of all uses another script's letters. A language the model does not know is always accepted.
        """
        ranking = dict(self._rank(text))
        if language not in ranking:
            return True
        best = max(ranking, key=lambda code: ranking[code])
        if best == language or _are_close(best, language):
            return True
        strangers = [rival for rival in rivals if rival in ranking and not _are_close(rival, language)]
        if any(ranking[rival] - ranking[language] > HEAD_START for rival in strangers):
            return False
        return _is_written_in(language, _script(text))

    def _rank(self, text: str) -> list[tuple[str, float]]:
        if self._identifier is None:
            from py3langid.langid import MODEL_FILE, LanguageIdentifier

            self._identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
            self._identifier.set_languages(sorted(set(self._identifier.labels) & set(NAMES)))
        return [(code, float(score)) for code, score in self._identifier.rank(text)]


def _are_close(first: str, second: str) -> bool:
    return first == second or any(first in group and second in group for group in INDISTINGUISHABLE)


_SCRIPT_RANGES: tuple[tuple[int, int, str], ...] = (
    (0x0041, 0x024F, "latin"), (0x1E00, 0x1EFF, "latin"), (0x0370, 0x03FF, "greek"), (0x1F00, 0x1FFF, "greek"),
    (0x0400, 0x052F, "cyrillic"), (0x0530, 0x058F, "armenian"), (0x0590, 0x05FF, "hebrew"),
    (0x0600, 0x06FF, "arabic"), (0x0750, 0x077F, "arabic"), (0x0900, 0x097F, "devanagari"),
    (0x0980, 0x09FF, "bengali"), (0x0A00, 0x0A7F, "gurmukhi"), (0x0A80, 0x0AFF, "gujarati"), (0x0B00, 0x0B7F, "odia"),
    (0x0B80, 0x0BFF, "tamil"), (0x0C00, 0x0C7F, "telugu"), (0x0C80, 0x0CFF, "kannada"), (0x0D00, 0x0D7F, "malayalam"),
    (0x0D80, 0x0DFF, "sinhala"), (0x0E00, 0x0E7F, "thai"), (0x0E80, 0x0EFF, "lao"), (0x10A0, 0x10FF, "georgian"),
    (0x1200, 0x137F, "ethiopic"), (0x1000, 0x109F, "myanmar"), (0x1780, 0x17FF, "khmer"),
    (0x3040, 0x30FF, "kana"), (0x3400, 0x9FFF, "han"), (0xAC00, 0xD7AF, "hangul"), (0x1100, 0x11FF, "hangul"),
)  # fmt: skip

_SCRIPT_LANGUAGES: dict[str, str] = {
    "arabic": "ar fa ku pa ps ug ur", "armenian": "hy", "bengali": "as bn",
    "cyrillic": "be bg kk ky mk mn ru sr tg tt uk",
    "devanagari": "hi mr ne", "ethiopic": "am", "georgian": "ka", "greek": "el", "gujarati": "gu", "gurmukhi": "pa",
    "han": "ja zh", "hangul": "ko", "hebrew": "he", "kana": "ja", "kannada": "kn", "khmer": "km", "lao": "lo",
    "latin": "kk ku sr tt", "malayalam": "ml", "myanmar": "my", "odia": "or", "sinhala": "si", "tamil": "ta",
    "telugu": "te", "thai": "th",
}  # fmt: skip
"""The languages written in each script; every language that stands nowhere here is written in Latin letters."""


def _is_written_in(language: str, script: str) -> bool:
    if language in _SCRIPT_LANGUAGES.get(script, "").split():
        return True
    return script == "latin" and not any(language in codes.split() for codes in _SCRIPT_LANGUAGES.values())


def _script(text: str) -> str:
    """The script that most letters of ``text`` belong to; "" if none is known."""
    counts: dict[str, int] = {}
    for character in text:
        code = ord(character)
        for first, last, script in _SCRIPT_RANGES:
            if first <= code <= last and character.isalpha():
                counts[script] = counts.get(script, 0) + 1
                break
    return max(counts, key=lambda script: counts[script]) if counts else ""
