"""Finding the chunks of documents by their ids alone: a document's passages are called ID, or ID#1 to ID#N."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

NEXT = 2
"""Chunks looked for beyond the last that is known of, for a chunk whose vector was refused is missing."""


@dataclass(frozen=True)
class Chunk:
    """A stored passage of a document, with the number of chunks that the document had when it was stored."""

    id: str
    document_id: str
    chunks: int
    document_hash: str


def find_chunks(
    document_ids: Iterable[str], known: Callable[[Sequence[str]], Iterable[Chunk]]
) -> dict[str, list[Chunk]]:
    """The stored passages of each document, in the order of their numbers.

    :param known: those that are stored of the passages with these ids.
    """
    found: dict[str, list[Chunk]] = {name: [] for name in document_ids}
    asked = {name: 0 for name in found}  # the last chunk looked for
    open_documents = [(name, NEXT) for name in found]
    first = list(found)
    while open_documents:
        names = [f"{name}#{n}" for name, last in open_documents for n in range(asked[name] + 1, last + 1)]
        asked.update(open_documents)
        for chunk in known([*first, *names]):
            if chunk.document_id in found:  # else a document that is called like a chunk
                found[chunk.document_id].append(chunk)
        first = []
        reach = {name: _last_number(found[name]) + NEXT for name, _ in open_documents}
        open_documents = [(name, last) for name, last in reach.items() if last > asked[name]]
    return found


def _last_number(chunks: Iterable[Chunk]) -> int:
    return max((chunk.chunks for chunk in chunks if chunk.chunks > 1), default=0)


def find_stale(documents: Mapping[str, str], known: Callable[[Sequence[str]], Iterable[Chunk]]) -> list[str]:
    """The ids of the passages of these documents (id to hash) that have another hash, the last ones first.

    In this order, those that a broken run left are found again: they follow the others without a gap.
    """
    found = find_chunks(documents, known)
    stale = [chunk.id for name, chunks in found.items() for chunk in chunks if chunk.document_hash != documents[name]]
    return stale[::-1]
