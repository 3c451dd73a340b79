"""A data set before a pool is chosen: passages in all their languages, and questions; and how to read one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from xqg.errors import SettingsError
from xqg.records import Passage

ALL_SPLITS = "all"
UNNAMED = ""
"""The split of files and lines that name none."""
_NAMES = frozenset({"train", "dev", "val", "valid", "validation", "test"})


@dataclass(frozen=True)
class ReadingOptions:
    """What a data set does not tell.

    ``articles`` are first and last article of SQuAD files (None: all), ``language`` that of what names none (None: an
    error), ``split`` the one to take ("all": every one; None: the only one that is there).
    """

    articles: tuple[int, int] | None = None
    language: str | None = None
    split: str | None = None


@dataclass(frozen=True)
class ParallelPassage:
    """Passages that say the same, by their language (ISO 639-1): one each, or several where texts were cut differently.

    Each passage's id is its own within its language; ``id`` names all of them.
    """

    id: str
    versions: Mapping[str, tuple[Passage, ...]]


@dataclass(frozen=True)
class Question:
    """A question with the ids of the passages that answer it, by their language; {} where only answers are known.

    ``answers`` are those that stand in a passage of a language; {}: nothing is known of answers. In both, what is
    under "" holds for passages of whatever language.
    """

    id: str
    language: str
    text: str
    passages: Mapping[str, tuple[str, ...]]
    answers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Dataset:
    """All of a data set; ``passages`` can be gone through once, so that they need not fit into memory."""

    passages: Iterable[ParallelPassage]
    questions: Sequence[Question]


def split_of(file: Path) -> str:
    """The split that a file name like ``dev-context-en-question-de.json`` tells; "" if it tells none."""
    return next((part for part in re.split(r"[._-]", file.name.lower()) if part in _NAMES), UNNAMED)


def choose_splits(found: Iterable[str], asked: str | None, place: Path) -> frozenset[str]:
    """The splits to read, of those found in ``place``.

    :param asked: a split, "all", or None: the only one that is there.
    :raises SettingsError: if ``asked`` is not there, or several are and none was asked for; names those that are.
    """
    splits = frozenset(found)
    if asked == ALL_SPLITS or (asked is None and len(splits) < 2):
        return splits
    if asked is not None and asked in splits - {UNNAMED}:
        return frozenset({asked})
    named = ", ".join(sorted(splits - {UNNAMED}))
    told = f"the splits {named}" + (" and files that name none" if UNNAMED in splits else "") if named else "no splits"
    remedy = "Name one with --split, or all" if named else "Drop --split"
    raise SettingsError(f"{place} holds {told}", "" if asked is None else f"the split {asked!r}", remedy)
