"""Takes a model's thoughts out of what it wrote: tags, with or without the opening one, channels, thoughts cut off."""

from __future__ import annotations

import re

_TAG = r"(?:think|thinking|thought|thoughts|reasoning|reason|analysis|reflection|scratchpad|seed:think)"
_CLOSING = re.compile(rf"</\s*{_TAG}\s*>|\[/THINK\]|◁/think▷", re.IGNORECASE)
_OPENING = re.compile(rf"<\s*{_TAG}\b[^<>]{{0,80}}>|\[THINK\]|◁think▷", re.IGNORECASE)
_CHANNEL, _FINAL = "<|channel|>", re.compile(r"<\|channel\|>\s*final\b[^<]{0,40}<\|message\|>")
_END_OF_MESSAGE = re.compile(r"<\|(?:end|return|start|call)\|>")


def without_thoughts(text: str) -> tuple[str, bool]:
    """What comes after the thoughts, and whether it is itself a thought that was never ended."""
    if _CHANNEL in text:
        finals = list(_FINAL.finditer(text))
        if not finals:
            return "", True
        text = _END_OF_MESSAGE.split(text[finals[-1].end() :])[0]
    closings = list(_CLOSING.finditer(text))
    if closings:  # what stands before is a thought, also where the prompt had opened it
        text = text[closings[-1].end() :]
    opening = _OPENING.search(text)
    return (text.strip(), False) if opening is None else (text[opening.end() :].strip(), True)


def shows_thoughts(text: str) -> bool:
    """Whether a text has the marks of thoughts or channels in it."""
    return bool(_OPENING.search(text) or _CLOSING.search(text)) or "<|" in text
