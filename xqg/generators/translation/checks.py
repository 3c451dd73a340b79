"""How machine translation goes wrong, told from a text and its translation alone."""

from __future__ import annotations

import re
import unicodedata

from xqg.fusion.pieces import columns
from xqg.generators.cleaning import EMPTY, LANGUAGE, REPETITION, LanguageCheck, comparable, has_content, is_looped

COPY, LENGTH, NUMBERS = "copy", "length", "numbers"

LONGEST_RATIO = 3.0
"""Of widths in columns, either way round; texts under `SHORT_COLUMNS` may differ more.

Of 10,846 paragraphs and questions of XQuAD that people translated into 11 languages two, in Chinese, are beyond it.
"""
SHORT_COLUMNS = 20

_NUMBER = re.compile(r"\d{2,}")


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
