"""A data set before a pool is chosen: passages in all their languages, and questions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from xqg.records import Passage


@dataclass(frozen=True)
class ParallelPassage:
    """A passage in each language (ISO 639-1) that it exists in; ``id`` is the same for all of them."""

    id: str
    versions: Mapping[str, Passage]


@dataclass(frozen=True)
class Question:
    """A question with the passages that answer it; () where only the answers are known.

    ``answers`` are those that stand in a passage of a language, for each language in which the passages answer the
    question (MLQA's do not in all of theirs); under "" those of whatever passage. {}: nothing is known of answers.
    """

    id: str
    language: str
    text: str
    passages: tuple[str, ...]
    answers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Dataset:
    """All of a data set; ``passages`` can be gone through once, so that they need not fit into memory."""

    passages: Iterable[ParallelPassage]
    questions: Sequence[Question]
