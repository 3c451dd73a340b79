"""What a collection holds, as JSON: its settings, its counts, one passage with its generated queries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from xqg.errors import StoreError
from xqg.fusion.pieces import PieceKind, passage_pieces
from xqg.fusion.profile import EncoderProfile
from xqg.identifiers import spellings
from xqg.metadata import generator_revision
from xqg.protocols import Collection, Point, VectorStore
from xqg.records import Passage


def describe_collection(collection: Collection, store: VectorStore) -> dict[str, Any]:
    """Counts and settings of a collection; reads every point once."""
    languages: Counter[str] = Counter()
    translated: Counter[str] = Counter()
    revisions: Counter[str] = Counter()
    without = documents = passages = 0
    for point in store.points():
        passages += 1  # the store's own count may be an estimate
        documents += point.passage.chunk == 1
        texts = point.entry.texts
        revisions.update([revision] if (revision := generator_revision(point.entry.generation)) else [])
        without += not (any(texts.queries.values()) or texts.translations)
        languages.update({code: len(found) for code, found in texts.queries.items()})
        translated.update({code: len(found) for code, found in texts.translations.items()})
    return {
        "passages": passages,
        "documents": documents,
        "vectors": "several a passage" if collection.multivector else "one a passage",
        "dimension": collection.dimension,
        "distance": collection.distance,
        "state": collection.metadata.get("state"),
        "fingerprint": collection.metadata.get("fingerprint"),
        "settings": collection.metadata["settings"],
        **({"augmented": collection.metadata["augmented"]} if "augmented" in collection.metadata else {}),
        "profile": _profile(collection.metadata.get("profile")),
        "queries": dict(sorted((+languages).items())),
        "translations": dict(sorted(translated.items())),
        "passages_without_queries": without,
        "generator_revisions": dict(sorted(revisions.items())),
    }


def _profile(stored: Any) -> dict[str, Any] | None:
    """The encoder's profile without its vectors; None where the rule needs none."""
    if stored is None:
        return None
    profile = EncoderProfile.from_json(stored)
    return {"languages": list(profile.languages), "directions": len(profile.basis), "share": round(profile.share, 4)}


def describe_passage(store: VectorStore, passage_id: str) -> dict[str, Any]:
    """One stored passage with its sentences and queries.

    :raises StoreError: if there is none with this id.
    """
    point = next(iter(store.points(spellings(passage_id))), None)
    if point is None:
        raise StoreError(f"No passage {passage_id!r} in this collection", remedy="A chunk's id is DOCUMENT#NUMBER")
    return describe_point(point)


def describe_point(point: Point) -> dict[str, Any]:
    """A stored passage with its sentences, queries and translations."""
    return {
        **passage_to_json(point.passage),
        "fingerprint": point.entry.fingerprint,
        "generator_revision": generator_revision(point.entry.generation),
        "sentences": [piece.text for piece in passage_pieces(point.passage) if piece.kind is PieceKind.SENTENCE],
        "queries": {language: list(texts) for language, texts in point.entry.texts.queries.items()},
        "translations": {language: list(texts) for language, texts in point.entry.texts.translations.items()},
    }


def passage_to_json(passage: Passage) -> dict[str, Any]:
    """A passage as JSON, as hits and ``xqg show`` print it."""
    return {
        "id": passage.id,
        "document_id": passage.document_id,
        "title": passage.title,
        "text": passage.text,
        "language": passage.language,
        "metadata": dict(passage.metadata),
    }


def export_queries(store: VectorStore) -> Iterator[dict[str, str]]:
    """Every stored query and translation as a line that ``--generator file:`` reads."""
    for point in store.points():
        for language, texts in point.entry.texts.queries.items():
            for text in texts:
                yield {"passage_id": point.passage.id, "language": language, "query": text}
        for language, texts in point.entry.texts.translations.items():
            for text in texts:
                yield {"passage_id": point.passage.id, "language": language, "text": text}
