"""Measures of queries: do they bring back their own passage, are they in the right language, do they vary. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from xqg.generators.cleaning import SPACELESS, comparable
from xqg.records import Vectors

DEPTH = 10
"""The second of the two ranks up to which a passage counts as brought back; the first is 1."""

_MARKS = ("Mn", "Mc")
"""Vowel signs and the like: parts of words, though no letters."""


@dataclass(frozen=True)
class QueryMeasures:
    """Means over the ``queries`` of one writer in one language; shares are from 0 to 1.

    ``kept``: queries among the outputs asked for, None for people's. ``right_language``: share that passes for its
    language. ``first`` and ``first_ten``: share whose own passage has rank 1, or one up to `DEPTH`. ``distinct_2``:
    see `distinct_bigrams`. ``characters``: length.
    """

    queries: int
    kept: float | None
    right_language: float
    first: float
    first_ten: float
    distinct_2: float
    characters: float


def own_ranks(queries: Vectors, passages: Vectors, owners: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The rank of each query's own passage by dot product, from 1; ties go to the earlier passage, as in a sweep.

    :param queries: shape (m, d). :param passages: shape (n, d). Both finite: a NaN would count as rank 0.
    :param owners: shape (m,), the row in ``passages`` of each query's own passage.
    :returns: shape (m,).
    """
    scores = queries @ passages.T
    own = scores[np.arange(len(queries)), owners]
    earlier = np.arange(len(passages)) <= owners[:, None]  # itself included
    return np.asarray(np.where(earlier, scores >= own[:, None], scores > own[:, None]).sum(axis=1), dtype=np.int64)


def distinct_bigrams(texts: Sequence[str]) -> float:
    """Distinct-2 (Li et al. 2016): different pairs of neighbouring words among all of them; 0 where there are none.

    It falls with the number of texts: compare equal numbers. In scripts without spaces a character is a word.
    """
    pairs = [pair for text in texts for words in [_words(text)] for pair in pairwise(words)]
    return len(set(pairs)) / len(pairs) if pairs else 0.0


def measure_queries(
    texts: Sequence[str], right: Sequence[bool], ranks: Sequence[int], asked: int | None, distinct_2: float
) -> QueryMeasures:
    """The measures of one writer in one language; without any texts every share is 0.

    :param right: whether each text passes for its language. :param ranks: of each text's own passage.
    :param asked: outputs asked for; None for people's queries.
    """
    count = len(texts)

    def mean(values: Sequence[float]) -> float:
        return sum(values) / count if count else 0.0

    return QueryMeasures(
        queries=count,
        kept=None if asked is None else count / asked,
        right_language=mean(right),
        first=mean([rank == 1 for rank in ranks]),
        first_ten=mean([rank <= DEPTH for rank in ranks]),
        distinct_2=distinct_2,
        characters=mean([len(text) for text in texts]),
    )


def macro_average(measures: Sequence[QueryMeasures]) -> QueryMeasures:
    """The mean over languages, at least one: each counts the same, however many queries it has."""
    columns = {field.name: [getattr(item, field.name) for item in measures] for field in fields(QueryMeasures)}
    means: dict[str, Any] = {
        name: None if None in values else sum(values) / len(values) for name, values in columns.items()
    }
    return QueryMeasures(**(means | {"queries": sum(columns["queries"])}))


def _words(text: str) -> list[str]:
    return "".join(_spaced(character) for character in comparable(text)).split()


def _spaced(character: str) -> str:
    if SPACELESS.match(character):
        return f" {character} "
    return character if character.isalnum() or unicodedata.category(character) in _MARKS else " "
