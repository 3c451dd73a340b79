"""Brings texts into the form that the bundled encoder was trained on: NFKC, without characters that nobody sees."""

from __future__ import annotations

import re
import unicodedata

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


def normalise(text: str) -> str:
    """``text`` in NFKC, without invisible characters: composed and decomposed letters become the same.

    Runs of spaces and line ends are one space, as the model reads them.
    """
    if not text.isascii():
        visible = _DROPPED.sub("", text)
        text = UNCHANGED.join(unicodedata.normalize("NFKC", part) for part in visible.split(UNCHANGED))
    return _SPACES.sub(" ", _CONTROLS.sub("", text))
