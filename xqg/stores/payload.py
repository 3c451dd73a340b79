"""xqg's own payload layout, and a stored point to JSON types and back in any layout."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from xqg.errors import PARSING_ERRORS, StoreError
from xqg.layouts import OWN_KEY, Layout, as_path, key_paths
from xqg.protocols import Point
from xqg.records import Hit, LedgerEntry, Passage, Texts, Vectors, point_id

KEY = OWN_KEY
"""The one payload key, and the one key of a server's collection metadata, under which xqg keeps its own."""

AUGMENTED = "augmented"
"""In our metadata of a collection that `xqg augment` made: where it came from, and how its payloads are read."""

DEFAULT_VECTOR = ""
"""The name under which Qdrant keeps the unnamed vector, where a collection has others beside it."""

MULTIVECTOR_LINKS = 32
"""Links of a point in the HNSW graph (m) of a multivector; Qdrant's default is 16.

On a Qdrant 1.18.3 with 978 passages of MLQA in 7,642 rows, recall@10 through the index was .979 at 16 and .998 at 32,
where one vector a passage has .998 at 16; building the graph took 1.8 times as long. There float16, in which new
multivectors are stored, lost nothing of it and takes half the memory.
"""

DOCUMENT_ID = "document_id"

TOP_LEVEL_FIELDS = ("id", DOCUMENT_ID, "title", "language")
"""Fields of a passage that a filter may name without a path."""

PointId = int | str
"""A point's id in Qdrant: an unsigned number or a UUID."""


class OwnLayout(Layout):
    """The layout of collections that xqg ingests into: a passage's fields as they are."""

    def point_id(self, passage_id: str) -> PointId:
        """The uuid5 of the passage's id."""
        return point_id(passage_id)

    def stored_passage(self, key: PointId, payload: Mapping[str, Any]) -> Passage:
        """The passage that `to_payload` wrote. :raises StoreError: if xqg did not write ``payload``."""
        if self.own(payload) is None:
            raise _foreign(payload, f"has no key {KEY!r}")
        try:
            return Passage(
                id=_text(payload["id"]),
                text=_text(payload["text"]),
                title=_text(payload["title"]),
                language=_text(payload["language"]),
                metadata=dict(payload["metadata"]),
                document_id=_text(payload[DOCUMENT_ID]),
                chunk=int(payload["chunk"]),
                chunks=int(payload["chunks"]),
                document_hash=_text(payload[KEY]["document_hash"]),
            )
        except PARSING_ERRORS as error:
            raise _damaged(payload, error) from error

    def filter_paths(self, key: str) -> tuple[str, ...]:
        """The payload paths that a filter's ``key`` may mean: a field of the passage, else one of its metadata.

        A dotted key is a path below the metadata or a name with dots there; it may be a whole path as well.
        """
        if key in TOP_LEVEL_FIELDS or key.startswith(f"{KEY}."):
            return (key,)
        below = key_paths(key, "metadata.")
        return (as_path(key), *below) if key.startswith("metadata.") else below


OWN = OwnLayout("xqg", (KEY,), "text", "metadata")


def to_payload(point: Point) -> tuple[dict[str, Any], int]:
    """The payload of ``point`` in xqg's own layout, as JSON types, and the number of its bytes as JSON.

    Metadata values that JSON does not know (dates) become their text, as they do in `record_hash`, and so do whole
    numbers of more than 64 bits, which servers round or refuse.

    :raises StoreError: if the passage holds what no store can keep (NaN, half a surrogate pair).
    """
    passage = point.passage
    payload = {
        "id": passage.id,
        DOCUMENT_ID: passage.document_id,
        "chunk": passage.chunk,
        "chunks": passage.chunks,
        "text": passage.text,
        "title": passage.title,
        "language": passage.language,
        "metadata": dict(passage.metadata),
        KEY: own_fields(point),
    }
    return as_stored(payload, passage.id, _integer)


def own_fields(point: Point) -> dict[str, Any]:
    """What stands under `KEY` in the payload of ``point``."""
    entry = point.entry
    return {
        "queries": _lists(entry.texts.queries),
        # gRPC carries objects as maps without order, and the order of the queries is the order of their sum
        "languages": list(entry.texts.queries),
        **({"translations": _lists(entry.texts.translations)} if entry.texts.translations else {}),
        "record_hash": entry.record_hash,
        "content_hash": entry.content_hash,
        "document_hash": point.passage.document_hash,
        "generation": entry.generation,
        "fingerprint": entry.fingerprint,
    }


def as_stored(
    payload: Mapping[str, Any], name: str, parse_integer: Callable[[str], int | str] = int
) -> tuple[dict[str, Any], int]:
    """A payload as JSON types, and the number of its bytes. :param name: of its passage, for the error.

    :raises StoreError: if it holds what no store can keep (NaN, half a surrogate pair).
    """
    try:
        text = json.dumps(payload, ensure_ascii=False, allow_nan=False, default=str, separators=(",", ":"))
        encoded = text.encode("utf-8")
    except PARSING_ERRORS as error:
        raise StoreError(
            f"Passage {name!r} cannot be stored: {error}", "values that JSON can hold", "Correct or remove that value"
        ) from error
    return json.loads(encoded, parse_int=parse_integer), len(encoded)


def to_vector(point: Point, dimension: int, multivector: bool) -> Any:
    """The vector of ``point`` as the engine takes it: its rows, each of length ``dimension``, or the only one of them.

    :param multivector: whether the collection takes several.
    :raises StoreError: if there is none, one too many, one of another size, or one with NaN or infinity, which would
        make every comparison with its score false.
    """
    rows, found = point.rows, ""
    if rows is None or np.ndim(rows) != 2 or len(rows) == 0:
        found = "no vector" if rows is None else f"vectors of shape {np.shape(rows)}"
    elif rows.shape[1] != dimension:
        found = f"vectors of {rows.shape[1]} numbers"
    elif len(rows) > 1 and not multivector:
        found = f"{len(rows)} rows"
    elif not np.isfinite(rows).all():
        found = "a vector with NaN or infinity"
    if found:
        raise StoreError(
            f"Passage {point.passage.id!r} has {found}",
            f"{'rows' if multivector else 'one row'} of {dimension} finite numbers, as the collection takes",
            "Use the encoder that the collection was made with; --views 0 stores one row a passage",
        )
    numbers = np.asarray(rows, dtype=np.float32).tolist()
    return numbers if multivector else numbers[0]


def read_rows(vectors: Any, name: str) -> Vectors | None:
    """The rows of the vector ``name``, shape (r, dimension), float32; None where the point has none.

    :param vectors: rows or the numbers of the only one, or such by name; None where they were not asked for.
    """
    numbers = vectors.get(name) if isinstance(vectors, Mapping) else vectors
    return np.atleast_2d(np.asarray(numbers, dtype=np.float32)) if numbers else None


def read_point(record: Any, layout: Layout = OWN, vector: str = DEFAULT_VECTOR) -> Point:
    """The point of a client's record (``id``, ``payload``, ``vector``), with an empty entry where others wrote it.

    :raises StoreError: in xqg's own layout where others wrote it.
    """
    payload = record.payload or {}
    passage, own = layout.stored_passage(record.id, payload), layout.own(payload)
    entry = LedgerEntry("", "", "", "", Texts()) if own is None else read_entry(own, payload)
    return Point(passage, entry, read_rows(record.vector, vector))


def read_hits(scored: Sequence[Any], layout: Layout = OWN) -> list[Hit]:
    """The results of one query, from a client's objects with ``id``, ``payload`` and ``score``, best first."""
    return [
        Hit(rank, float(found.score), layout.stored_passage(found.id, found.payload or {}))
        for rank, found in enumerate(scored, start=1)
    ]


def read_entry(own: Mapping[str, Any], payload: Mapping[str, Any]) -> LedgerEntry:
    """The ledger entry of what stands under our key in ``payload``, which may lack everything else.

    :raises StoreError: if xqg did not write it.
    """
    try:
        queries, translations = own["queries"], own.get("translations", {})
        languages = own.get("languages", queries)
        texts = Texts(
            {_text(language): _texts(queries[language]) for language in languages},
            {_text(language): _texts(translations[language]) for language in languages if language in translations},
        )
        return LedgerEntry(
            record_hash=_text(own["record_hash"]),
            content_hash=_text(own["content_hash"]),
            generation=_text(own["generation"]),
            fingerprint=_text(own["fingerprint"]),
            texts=texts,
        )
    except PARSING_ERRORS as error:
        raise _damaged(payload, error) from error


def _lists(texts: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    return {language: list(found) for language, found in texts.items()}


def _integer(digits: str) -> int | str:
    value = int(digits)
    return value if -(2**63) <= value < 2**63 else digits


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} instead of text")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        raise TypeError("text instead of a list of texts")
    return tuple(_text(item) for item in value)


def _damaged(payload: Mapping[str, Any], error: Exception) -> StoreError:
    return _foreign(payload, f"is damaged ({type(error).__name__}: {error})")


def _foreign(payload: Mapping[str, Any], what: str) -> StoreError:
    name = f"The payload of {payload['id']!r}" if "id" in payload else "The payload of a point"
    return StoreError(
        f"{name} {what}, so xqg did not write it",
        "points in xqg's own layout",
        "Use a collection that xqg made, or remove the other points",
    )
