"""Turns the raw outputs of a generator into queries fit to be stored, and counts the rest by reason."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from xqg.language_codes import understood_language
from xqg.protocols import Generation
from xqg.records import GeneratedQuery, Passage
from xqg.settings import GeneratorSettings

EMPTY, DUPLICATE, PROMPT, LANGUAGE, REPETITION = "empty", "duplicate", "prompt", "language", "repetition"
MALFORMED = "malformed"
"""An answer or a line that cannot be read at all; counted by the generators that read such things."""

LONGEST_TEXT = 4_000
"""Characters of a generated query or short passage; a longer one never ended."""

COPIED_WORDS = 8
"""From so many words on, an output that stands in the passage word for word is a copy, not a query."""
COPIED_LETTERS = 50
"""The same in characters, for scripts without spaces half of it."""
REPEATS = 3
"""The same three words may come so often in one query."""

_LABEL_WORDS = (
    "question query q passage frage pregunta pergunta domanda întrebare vraag spørgsmål spørsmål fråga kysymys kérdés "
    "otázka pytanie вопрос питання въпрос ερώτηση soru pertanyaan swali سؤال السؤال پرسش שאלה प्रश्न सवाल প্রশ্ন ప్రశ్న "
    "கேள்வி คำถาม 問題 质问 質問 问题 질문"
)
_LABEL = re.compile(
    rf"^(?:[^\W\d_]+\s+){{0,2}}(?:{'|'.join([*_LABEL_WORDS.split(), 'câu hỏi'])})\s*\d*\s*[:：]\s*", re.IGNORECASE
)
_BULLET = re.compile(r"^(?:[-*•–—#>]+\s+|\(?\d{1,2}[.)、．:]\s+)")
_QUOTES = dict(zip("\"'“„«‹「『`‘", "\"'”“»›」』`’", strict=True)) | {"**": "**"}
_JOINERS = "\u200c\u200d"  # Persian and the Indic scripts spell with them
_LOOP = re.compile(r"([^\W\d_].{0,19}?)\1{5,}")
SPACELESS = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
"""A character of a script that puts no spaces between words."""


_TAG = r"(?:think|thinking|thought|thoughts|reasoning|reason|analysis|reflection|scratchpad|seed:think)"
_CLOSING = re.compile(rf"</\s*{_TAG}\s*>|\[/THINK\]|◁/think▷", re.IGNORECASE)
_OPENING = re.compile(rf"<\s*{_TAG}\b[^<>]{{0,80}}>|\[THINK\]|◁think▷", re.IGNORECASE)
_CHANNEL, _FINAL = "<|channel|>", re.compile(r"<\|channel\|>\s*final\b[^<]{0,40}<\|message\|>")
_END_OF_MESSAGE = re.compile(r"<\|(?:end|return|start|call)\|>")


class LanguageCheck(Protocol):
    """What the cleaning needs of a language detector (`xqg.languages.LanguageDetector`)."""

    def is_language(self, text: str, language: str, rivals: Sequence[str] = ()) -> bool:
        """Whether ``text`` can pass for ``language`` rather than for one of ``rivals``."""


@dataclass(frozen=True)
class Cleaned:
    """The texts kept, in their order, and how many were dropped by reason (reasons without any are left out)."""

    texts: tuple[str, ...]
    dropped: Mapping[str, int]


@dataclass(frozen=True)
class Output:
    """The raw texts a model wrote for one passage in one language."""

    passage: Passage
    language: str
    texts: tuple[str, ...]


def finish_outputs(
    outputs: Sequence[Output], settings: GeneratorSettings, detector: LanguageCheck, marks: Sequence[str]
) -> Generation:
    """The texts fit to be stored, in the order of the outputs, at most as many for each as were asked for.

    What an output could be in by mistake are all languages of the run: it must not depend on which one call asks for.
    """
    trim = trim_output if settings.augment_with == "queries" else trim_passage
    queries: list[GeneratedQuery] = []
    dropped: Counter[str] = Counter()
    for output in outputs:
        rivals = (output.passage.language, *settings.languages)
        texts = [text for text, thinks_on in map(without_thoughts, output.texts) if not thinks_on]
        dropped.update({MALFORMED: len(output.texts) - len(texts)} if len(texts) < len(output.texts) else {})
        cleaned = clean_queries(texts, output.passage, output.language, rivals, detector, marks, trim)
        dropped.update(cleaned.dropped)
        queries += [
            GeneratedQuery(output.passage.id, output.language, text)
            for text in cleaned.texts[: settings.queries_per_language]
        ]
    return Generation(tuple(queries), dict(dropped))


def clean_queries(
    outputs: Sequence[str],
    passage: Passage,
    language: str,
    rivals: Sequence[str],
    detector: LanguageCheck,
    marks: Sequence[str] = (),
    trim: Callable[[str], str] | None = None,
) -> Cleaned:
    """What is left of a model's outputs for one passage and language: trimmed, checked and without doubles.

    :param rivals: languages an output could be in by mistake: the passage's own and the other targets.
    :param marks: wordings that only the prompt has (`xqg.generators.prompts.prompt_marks`).
    :param trim: `trim_output`, which None stands for, or `trim_passage` for generated passages.
    """
    others = [rival for rival in dict.fromkeys(rivals) if rival != language]
    texts: list[str] = []
    dropped: Counter[str] = Counter()
    for output in outputs:
        text = (trim_output if trim is None else trim)(output)
        reason = _fault(text, passage, marks)
        if reason is None and not _passes_for(text, language, others, passage, detector):
            reason = LANGUAGE
        if reason is None and comparable(text) in {comparable(kept) for kept in texts}:
            reason = DUPLICATE
        if reason is None:
            texts.append(text)
        else:
            dropped[reason] += 1
    return Cleaned(tuple(texts), dict(dropped))


def clean_written(outputs: Sequence[str]) -> Cleaned:
    """What is left of queries that people wrote: only spaces, empty ones and duplicates go.

    Labels, numbers and quotes stay ("1. FC Köln", '"Heroes" by whom?'), and so does the language: of people's own
    short texts full of names a detector refuses a few in a hundred, and a user who wrote the file knows better.
    """
    texts: dict[str, str] = {}
    dropped: Counter[str] = Counter()
    for output in outputs:
        text = " ".join(_without_controls(output).split())
        key = comparable(text)
        if not has_content(text):
            dropped[EMPTY] += 1
        elif key in texts:
            dropped[DUPLICATE] += 1
        else:
            texts[key] = text
    return Cleaned(tuple(texts.values()), dict(dropped))


def trim_output(output: str) -> str:
    """The first line of ``output`` without list numbers, labels, quotes and control characters."""
    lines = output.strip().splitlines()
    text = " ".join(_without_controls(lines[0]).split()) if lines else ""
    before = None
    while text != before:  # one may hide another: '1. Question: "…"'
        before = text
        text = _unquoted(_LABEL.sub("", _BULLET.sub("", text))).strip()
    return text


def trim_passage(output: str) -> str:
    """``output`` as one paragraph, trimmed like a query."""
    return trim_output(" ".join(output.split()))


def comparable(text: str) -> str:
    """``text`` in the form in which two queries count as the same: NFKC, case folded, single spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _without_controls(text: str) -> str:
    """``text`` without control and format characters, and without what stands for undecodable bytes."""
    return "".join(
        " " if character.isspace() else character
        for character in text
        if character.isspace()
        or character in _JOINERS
        or (character != "\ufffd" and unicodedata.category(character) not in ("Cc", "Cf", "Cs"))
    )


def _unquoted(text: str) -> str:
    for opening, closing in _QUOTES.items():
        inner = text[len(opening) : -len(closing)]
        if len(text) > len(opening + closing) and text.startswith(opening) and text.endswith(closing):
            return text if opening in inner or closing in inner else inner
        if text.startswith(opening) and closing not in text[len(opening) :] and opening != "'":
            return text[len(opening) :]  # the closing one was cut off
    return text


def names_language(text: str) -> bool:
    """Whether a text is the name or code of a language, "Chinese (Simplified)", and nothing more."""
    bare = re.sub(r"[(（][^()（）]{0,80}[)）]\Z", "", text).strip()
    return len(bare.split()) == 1 and understood_language(bare) is not None


def has_content(text: str) -> bool:
    """Whether there is a letter or digit in it."""
    return any(character.isalnum() for character in text)


def _fault(text: str, passage: Passage, marks: Sequence[str]) -> str | None:
    """The reason why ``text`` is no query whatever its language; None if there is none."""
    if not has_content(text):
        return EMPTY
    if shows_thoughts(text) or text.startswith(('{"', "{'", '["', "['")) or len(text) > LONGEST_TEXT:
        return MALFORMED
    if names_language(text):
        return MALFORMED  # it stood beside the query
    if is_looped(text):
        return REPETITION
    return PROMPT if _is_copied(text, passage, marks) else None


def is_looped(text: str) -> bool:
    """Whether it says the same again and again, as models do that got stuck."""
    if _LOOP.search(text):
        return True
    words = comparable(text).split()
    triples = Counter(zip(words, words[1:], words[2:], strict=False))
    return max(triples.values(), default=0) > REPEATS


def _is_copied(text: str, passage: Passage, marks: Sequence[str]) -> bool:
    found = comparable(text)
    if any(comparable(mark) in found for mark in marks):
        return True
    source = comparable(f"{passage.title} {passage.text}")
    bare = found.rstrip(".?!…。？！؟।")
    if bare not in source:
        return False
    letters = COPIED_LETTERS // 2 if SPACELESS.search(bare) else COPIED_LETTERS
    return found == comparable(passage.text) or len(bare.split()) >= COPIED_WORDS or len(bare) >= letters


def _passes_for(text: str, language: str, rivals: Sequence[str], passage: Passage, detector: LanguageCheck) -> bool:
    """Whether the text, or what is left of it without the passage's names, can pass for ``language``.

    Names and terms are taken over from the passage as they are and speak for the passage's language, so a short
    query full of them is judged once more by its other words.
    """
    if detector.is_language(text, language, rivals):
        return True
    names = _names(f"{passage.title} {passage.text}")
    rest = " ".join(word for word in text.split() if not _names(word) & names)
    return rest != text and has_content(rest) and detector.is_language(rest, language, rivals)


def _names(text: str) -> set[str]:
    """The words of ``text`` that are written like names or technical terms: with capitals, digits or signs inside."""
    words = {word.strip("()[]{}.,;:!?\"'«»“”„…") for word in text.split()}
    return {word for word in words if word != word.lower() or not word.isalpha()} - {""}


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
