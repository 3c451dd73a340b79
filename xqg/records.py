"""The records that flow through xqg, and the ids and hashes that make re-runs idempotent."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors: TypeAlias = npt.NDArray[np.float32]
    """A float32 array of shape (rows, dimension)."""
else:
    Vectors = "Vectors"  # numpy takes a third of the time that `xqg --help` has

POINT_NAMESPACE = uuid.UUID("6f0c7a52-3f0e-5d1c-9d57-6b1f6a4d2e11")


class FusionRule(str, Enum):
    """How the vectors of a passage and of its pieces become the rows that are stored (`xqg.fusion.rules`)."""

    VIEWS = "views"
    NEUTRAL = "neutral"
    MEAN = "mean"
    SUM = "sum"
    PLAIN = "plain"

    @property
    def is_neutral(self) -> bool:
        """Whether the language subspace is removed, for which the encoder's profile is needed."""
        return self in (FusionRule.VIEWS, FusionRule.NEUTRAL)

    @property
    def needs_queries(self) -> bool:
        """Whether generated queries are all that the rule adds."""
        return self in (FusionRule.MEAN, FusionRule.SUM)


TranslationRows = Literal["merged", "whole", "language"]
"""The rows of a passage's translations: those of the sentences that they translate, one for each language, or one for
each sentence and language."""


@dataclass(frozen=True)
class Passage:
    """A text to be found. ``id`` is unique in its collection; ``metadata`` is JSON.

    ``language`` is an ISO 639-1 code, "" where it is to be detected when the passage is ingested.
    A long document becomes several passages: they share ``document_id``, and ``chunk`` counts from 1
    to ``chunks``. A document that was not split has ``document_id == id`` (the default) and one chunk.
    """

    id: str
    text: str
    title: str = ""
    language: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    document_id: str = ""
    chunk: int = 1
    chunks: int = 1
    document_hash: str = ""

    def __post_init__(self) -> None:
        if not self.document_id:
            object.__setattr__(self, "document_id", self.id)

    @property
    def content(self) -> str:
        """Title and text as one, joined by a space (as Tevatron does for the paper's retriever)."""
        return f"{self.title} {self.text}" if self.title else self.text


@dataclass(frozen=True)
class GeneratedQuery:
    """A question that a speaker of ``language`` would ask of the passage."""

    passage_id: str
    language: str
    text: str


@dataclass(frozen=True)
class Translation:
    """A passage's title and sentences in another language, in any order, those left out that nobody translated."""

    passage_id: str
    language: str
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Texts:
    """What was written for a passage, by language: its queries, and its title and sentences in translation.

    Of a language that was generated ``queries`` has a key; an empty tuple means that there are none, or that all of
    them were dropped. ``translations`` has only languages with a text.
    """

    queries: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    translations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def only(self, languages: Sequence[str]) -> Texts:
        """Those in ``languages``, in this order."""
        return Texts(
            {code: self.queries.get(code, ()) for code in languages},
            {code: self.translations[code] for code in languages if code in self.translations},
        )


@dataclass(frozen=True)
class LedgerEntry:
    """What the store knows of a passage: enough to decide what a re-run has to do."""

    record_hash: str
    content_hash: str
    generation: str
    fingerprint: str
    texts: Texts


@dataclass(frozen=True)
class Hit:
    """One search result, best first; ``rank`` counts from 1."""

    rank: int
    score: float
    passage: Passage


@dataclass(frozen=True)
class FieldMatch:
    """A filter: the payload field at dotted path ``key`` equals one of ``values``, or differs from all of them ("!=").

    A passage without the field differs from all. "<", "<=", ">" and ">=" compare with the one value, a number or an ISO
    8601 date. A field that holds a list passes where one of its items does.
    """

    key: str
    values: tuple[str | int | float | bool, ...]
    operator: Literal["=", "!=", "<", "<=", ">", ">="] = "="


@dataclass(frozen=True)
class Reject:
    """A record that could not be taken, with its place (``line`` counts from 1) and the reason.

    ``record`` is the parsed object, or the raw line where it could not be parsed; bytes that are not
    UTF-8 are kept as surrogate escapes, so nothing is lost.
    """

    file: str
    line: int
    reason: str
    record: Any


def point_id(passage_id: str) -> str:
    """The uuid5 under which a passage is stored: the same id always gives the same point."""
    return str(uuid.uuid5(POINT_NAMESPACE, passage_id))


def digest(value: Any) -> str:
    """The first 128 bits of the SHA-256 of ``value`` as canonical JSON, in hexadecimal."""
    canonical = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()[:32]


def content_hash(passage: Passage) -> str:
    """Hash of what the queries and the vector are made from: title, text and language."""
    return digest([passage.title, passage.text, passage.language])


def record_hash(passage: Passage, content: str | None = None) -> str:
    """Hash of everything that is stored of a passage; a re-run skips a passage whose hash is unchanged.

    :param content: its `content_hash`; None: computed.
    """
    return digest(
        [
            passage.id,
            content_hash(passage) if content is None else content,
            dict(passage.metadata),
            passage.document_id,
            passage.chunk,
            passage.chunks,
            passage.document_hash,
        ]
    )
