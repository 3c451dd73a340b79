"""The prefixes that well-known encoders were trained with but whose published configuration leaves out."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Prefixes:
    """What stands before every query and every passage."""

    query: str
    passage: str


_INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query"

KNOWN: tuple[tuple[re.Pattern[str], Prefixes], ...] = (
    # model cards of intfloat/e5-*, intfloat/multilingual-e5-* and intfloat/multilingual-e5-large-instruct
    (re.compile(r"\be5-[\w-]*instruct\b"), Prefixes(f"Instruct: {_INSTRUCTION}\nQuery: ", "")),
    (re.compile(r"\be5-(small|base|large)\b"), Prefixes("query: ", "passage: ")),
)


def known_prefixes(model: str) -> Prefixes | None:
    """The prefixes of a known family of models, by its name; None for the others."""
    for pattern, prefixes in KNOWN:
        if pattern.search(model.lower()):
            return prefixes
    return None
