"""Reads the queries in the answer of a chat endpoint, however the model dressed them, and nothing that is none.

Models think aloud before they answer, wrap JSON in talk and fences, or write a list in its place. What cannot be told
from a thought is no query: such an answer is malformed, and asked for again.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xqg.errors import PARSING_ERRORS
from xqg.generators.cleaning import names_language, shows_thoughts, without_thoughts
from xqg.language_codes import understood_language
from xqg.messages import brief

LONGEST_ANSWER = 200_000
"""Characters of an answer that are looked at; the longest useful ones have a tenth of it."""

MOST_VALUES = 1000
"""Places of an answer at which JSON may begin."""

_BEGINNING = re.compile(r"[{\[]")
_TRAILING_COMMA = re.compile(r",(\s{0,200}[}\]])")
_BULLET = re.compile(r"^\s{0,20}(?:[-*•–—#>]+\s+|\(?\d{1,3}[.)、．:]\s*)(?=\S)")
_QUESTION = re.compile(r"[?？؟⸮;՞፧]\W{0,6}$")
_TRANSLATION = re.compile(r"(?<=[?？؟])\s*[(（][^()（）]{0,400}[)）]\W{0,4}$")

_LISTS = ("queries", "questions", "passages", "query", "question", "items", "results", "output", "answer", "data")
_TEXTS = ("query", "question", "passage", "text", "content", "q", "value", "search_query", "search", "title")
_NUMBERED = re.compile(r"(?:query|question|passage|q|item)?[\s_-]?\d{1,3}", re.IGNORECASE)


_NO_PYTHON: tuple[type[Exception], ...] = (MemoryError, SyntaxError, *PARSING_ERRORS)


@dataclass(frozen=True)
class Answer:
    """The queries of an answer; none, and a complaint in one line, where it holds nothing that is surely a query.

    ``refused``: the model or its provider will not write any for this passage.
    """

    texts: tuple[str, ...] = ()
    complaint: str = ""
    refused: bool = False


def read_answer(answer: Any) -> Answer:
    """What a chat endpoint answered. :param answer: its JSON, of whatever shape."""
    try:
        choice = answer["choices"][0]
        message = choice["message"]
        content = _content(message.get("content"))
    except PARSING_ERRORS:
        return Answer(complaint=f"an answer of another shape: {_shown(answer)}")
    if choice.get("error"):
        return Answer(complaint=_words(choice["error"]))
    if choice.get("finish_reason") == "content_filter" or (message.get("refusal") and not content):
        return Answer(complaint=_words(message.get("refusal") or content or "content_filter"), refused=True)
    texts = read_texts(content)
    if texts:
        return Answer(tuple(texts))
    cut = "an answer that was cut off" if choice.get("finish_reason") == "length" else "no list of texts"
    return Answer(complaint=f"{cut}: {brief(content, limit=120) or 'empty'}")


def read_texts(content: str) -> list[str] | None:
    """The texts in what a model wrote; None if there are none."""
    text, thinks_on = without_thoughts(content[:LONGEST_ANSWER])
    if thinks_on:  # only whole JSON at the very end is an answer
        found = list(_values(text))
        text = found[-1].source if found and found[-1].is_last and isinstance(found[-1].value, dict) else ""
    texts = _in_json(text)
    if texts is None and not text.startswith(("{", "[", "```")):
        texts = _in_lines(text)
    kept = [one for one in texts or () if _may_be_a_query(one)]
    return kept or None


def _content(content: Any) -> str:
    """The content of a message as text; of parts, those that are the answer."""
    if isinstance(content, list):
        kinds = (None, "text", "output_text")
        parts = [part for part in content if isinstance(part, dict) and part.get("type") in kinds]
        return "".join(part["text"] for part in parts if isinstance(part.get("text"), str))
    return content if isinstance(content, str) else ""


@dataclass(frozen=True)
class _Value:
    """A piece of JSON in a text, and whether nothing but a fence follows it."""

    value: Any
    source: str
    is_last: bool


def _values(text: str) -> Iterator[_Value]:
    """The JSON objects and lists in a text, from its beginning, none within another."""
    decoder, position = json.JSONDecoder(), 0
    for _ in range(MOST_VALUES):
        beginning = _BEGINNING.search(text, position)
        if beginning is None:
            return
        try:
            value, position = decoder.raw_decode(text, beginning.start())
        except RecursionError:
            return
        except ValueError:
            position = beginning.start() + 1
            continue
        yield _Value(value, text[beginning.start() : position], text[position:].strip(" \t\r\n`") == "")


def _in_json(text: str, depth: int = 0) -> list[str] | None:
    """The texts in the JSON of an answer, also where it is loosely written; None without any."""
    for candidate in (text, _TRAILING_COMMA.sub(r"\1", text)):
        try:
            return _texts_in(json.loads(candidate), depth)  # the whole answer
        except PARSING_ERRORS:
            pass
        found = [texts for value in _values(candidate) if (texts := _told(value.value, depth)) is not None]
        named = [texts for is_list, texts in found if is_list]
        if named:
            return named[-1]  # earlier ones are drafts
        if found:
            return [text for _, texts in found for text in texts]  # one object a line
    return _in_python(text)


def _told(value: Any, depth: int) -> tuple[bool, list[str]] | None:
    """The texts of one value among others, and whether it lists them all; None without any, or where it names none."""
    if isinstance(value, list):
        texts = _texts_in(value, depth) if all(isinstance(item, str | dict) for item in value) else None
        return None if texts is None else (True, texts)
    texts = _texts_in(value, depth)
    return None if texts is None else (any(isinstance(item, list) for item in value.values()), texts)


def _in_python(text: str) -> list[str] | None:
    """A list or dictionary written as Python does, with single quotes."""
    start, end = text.find("{"), text.rfind("}") + 1
    if not 0 <= start < end or end - start > LONGEST_ANSWER // 10:
        return None
    try:
        return _texts_in(ast.literal_eval(text[start:end]), 0)
    except _NO_PYTHON:
        return None


def _texts_in(value: Any, depth: int) -> list[str] | None:
    if depth > 3:
        return None
    if isinstance(value, str):
        stripped = value.strip()
        if stripped.startswith(("{", "[", '"')):
            return _in_json(stripped, depth + 1)
        return [line for line in map(_trimmed, stripped.splitlines()) if line] or None
    if isinstance(value, list):
        return [text for item in value for text in _texts_of(item, depth)] or None
    if isinstance(value, dict):
        return _texts_in_object(value, depth)
    return None


def _texts_of(item: Any, depth: int) -> list[str]:
    """The texts of one item of a list: a text, or an object with one."""
    if isinstance(item, str):
        return [item.strip()] if item.strip() else []
    if isinstance(item, dict):
        return _texts_in_object(item, depth + 1) or []
    return []


def _texts_in_object(value: Mapping[str, Any], depth: int) -> list[str] | None:
    names = {str(name).strip().casefold(): item for name, item in value.items()}
    for name in _LISTS:
        if isinstance(names.get(name), list | dict):
            return _texts_in(names[name], depth + 1)
    for name in (*_TEXTS, *_LISTS):
        if isinstance(names.get(name), str):
            return _texts_in(names[name], depth + 1)
    languages = {name for name in names if name != "id" and understood_language(name)}  # "id" is Indonesian, too
    numbered = {name: item for name, item in names.items() if _NUMBERED.fullmatch(name) or name in languages}
    # by number or by language, or under some other name
    chosen: Sequence[Any] = list(numbered.values()) or [item for item in value.values() if isinstance(item, list)]
    texts = [text for item in chosen for text in (_texts_in(item, depth + 1) or ())]
    return texts or None


def _in_lines(text: str) -> list[str] | None:
    """The items of a list written as lines; without bullets or numbers only questions, since talk is none."""
    lines = [line for line in text.splitlines() if line.strip()]
    items = [line for line in lines if _BULLET.match(line)]
    if items:
        found = [_trimmed(_BULLET.sub("", line)) for line in items]
        return [line for line in found if line and not line.endswith((":", "："))]
    return [line for line in map(_trimmed, lines) if _QUESTION.search(line)]


def _trimmed(line: str) -> str:
    """A line without the emphasis around it and the translation behind it."""
    bare = line.strip().strip("*_").strip()
    return _TRANSLATION.sub("", bare).strip("*_ ")


def _may_be_a_query(text: str) -> bool:
    """Whether a text is none of what surrounds queries: JSON, a tag, the name of a language."""
    if text.startswith(("{", "[{", '["', "```")) or shows_thoughts(text):
        return False
    return not names_language(text)


def _words(found: Any) -> str:
    if isinstance(found, dict):
        found = found.get("message") or found.get("code") or found
    return brief(found if isinstance(found, str) else _shown(found))


def _shown(value: Any) -> str:
    try:
        return brief(json.dumps(value, ensure_ascii=False), limit=200)
    except PARSING_ERRORS:
        return "nested too deeply"
