"""Settles the language of passages that name none, with what the passages around them tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from typing import TypeAlias

from xqg.languages import DETECTED_CHARACTERS, CorpusLanguage
from xqg.readers.passage_records import UNTOLD_LANGUAGE, PlacedPassage
from xqg.records import Passage, Reject

WINDOW_RECORDS = 200
WINDOW_CHARACTERS = 2**19
"""The language of a source is told from so many of its first records, or so much of them, which are held in memory."""

Found: TypeAlias = PlacedPassage | Reject


def settle_languages(found: Iterable[Found], corpus: CorpusLanguage) -> Iterator[Found]:
    """The same with a language in every passage: its own, else `CorpusLanguage.settle` after the first records.

    :param corpus: learns from the first records.
    """
    records = iter(found)
    window: list[Found] = []
    size = 0
    for record in records:
        window.append(record)
        if isinstance(record, PlacedPassage):
            size += len(record.passage.text)
            corpus.learn(_beginning(record.passage), record.passage.language or None)
        if len(window) >= WINDOW_RECORDS or size >= WINDOW_CHARACTERS:
            break
    for record in chain(window, records):
        yield _settled(record, corpus)


def _settled(found: Found, corpus: CorpusLanguage) -> Found:
    if isinstance(found, Reject) or found.passage.language != UNTOLD_LANGUAGE:
        return found
    return replace(found, passage=replace(found.passage, language=corpus.settle(_beginning(found.passage))))


def _beginning(passage: Passage) -> str:
    text = passage.text[:DETECTED_CHARACTERS]
    return f"{passage.title}\n{text}"[:DETECTED_CHARACTERS] if passage.title else text
