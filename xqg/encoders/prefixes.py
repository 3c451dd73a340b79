"""The prefixes that well-known encoders were trained with, and that whoever sends them texts has to put there."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Prefixes:
    """What stands before every query and every passage."""

    query: str
    passage: str


_TASK = "Given a web search query, retrieve relevant passages that answer the query"
_SENTENCE = "Represent this sentence for searching relevant passages: "

_START = r"(?:^|-)"
_SIZE = r"(?:xs|s|m|l|xsmall|small|base|medium|large)"

KNOWN: tuple[tuple[re.Pattern[str], Prefixes], ...] = tuple(
    (re.compile(pattern), Prefixes(query, passage))
    for pattern, query, passage in (
        # from the models' cards; names as `_plain` writes them, the first that fits counts
        (rf"{_START}m?e5-.*instruct", f"Instruct: {_TASK}\nQuery: ", ""),
        (rf"{_START}m?e5-?{_SIZE}(?:-|$|v\d)", "query: ", "passage: "),
        (rf"{_START}nomic-embed-code", "Represent this query for searching relevant code: ", ""),
        (rf"{_START}nomic-embed", "search_query: ", "search_document: "),
        (rf"{_START}qwen-?3-(?:vl-)?embedding", f"Instruct: {_TASK}\nQuery:", ""),
        (rf"{_START}mxbai-embed-de-", "query: ", "passage: "),
        (rf"{_START}mxbai-(?:embed|2d)", _SENTENCE, ""),
        (rf"{_START}gte-qwen\d?.*instruct", f"Instruct: {_TASK}\nQuery: ", ""),
        (rf"{_START}bge-(?:multilingual-gemma\d?|en-icl)", f"<instruct>{_TASK}\n<query>", ""),
        (rf"{_START}bge-{_SIZE}-zh", "为这个句子生成表示以用于检索相关文章：", ""),
        (rf"{_START}bge-{_SIZE}(?:-|$)", _SENTENCE, ""),
        (rf"{_START}arctic-embed(?:-?2(?:-|$)|.*-v2)", "query: ", ""),
        (rf"{_START}arctic-embed", _SENTENCE, ""),
        (rf"{_START}embedding-?gemma", "task: search result | query: ", "title: none | text: "),
    )
)

_WITHOUT = re.compile(
    rf"{_START}(?:gte|bge-m3|text-embedding|gemini-embedding|all-minilm|all-mpnet|paraphrase|labse|distiluse|"
    rf"granite-embedding|jina-embeddings-v2)(?:-|$)"
)
"""Models that were trained without prefixes."""


def known_prefixes(model: str) -> Prefixes | None:
    """The prefixes of a known family of models, by its name in any spelling; None for the others."""
    name = _plain(model)
    return next((prefixes for pattern, prefixes in KNOWN if pattern.search(name)), None)


def needs_no_prefix(model: str) -> bool:
    """Whether the model is known to have been trained without prefixes."""
    return _WITHOUT.search(_plain(model)) is not None


def _plain(model: str) -> str:
    """A name in lower case with hyphens alone: "Intfloat/Multilingual_E5_Large:f16" has the same words as others."""
    return re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-")
