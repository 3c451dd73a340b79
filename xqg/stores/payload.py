"""The plain payload layout: a stored point to a JSON object and back, and what may be stored at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from xqg.errors import PARSING_ERRORS, StoreError
from xqg.layouts import OWN_KEY, as_path, key_paths
from xqg.protocols import Point
from xqg.records import Hit, LedgerEntry, Passage, Texts, Vectors

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
DOCUMENT_HASH = f"{KEY}.document_hash"

TOP_LEVEL_FIELDS = ("id", DOCUMENT_ID, "title", "language")
"""Fields of a passage that a filter may name without a path."""


def to_payload(point: Point) -> dict[str, Any]:
    """The payload of ``point`` as JSON types.

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


def _lists(texts: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    return {language: list(found) for language, found in texts.items()}


def _integer(digits: str) -> int | str:
    value = int(digits)
    return value if -(2**63) <= value < 2**63 else digits


def as_stored(payload: Mapping[str, Any], name: str, parse_integer: Callable[[str], int | str] = int) -> dict[str, Any]:
    """A payload as JSON types. :param name: of its passage, for the error.

    :raises StoreError: if it holds what no store can keep (NaN, half a surrogate pair).
    """
    try:
        encoded = json.dumps(payload, ensure_ascii=False, allow_nan=False, default=str).encode("utf-8")
    except PARSING_ERRORS as error:
        raise StoreError(
            f"Passage {name!r} cannot be stored: {error}",
            "asked for a record that JSON in UTF-8 can hold",
            "Correct or remove that value",
        ) from error
    stored: dict[str, Any] = json.loads(encoded, parse_int=parse_integer)
    return stored


def to_rows(point: Point, dimension: int, multivector: bool) -> list[list[float]]:
    """The rows of ``point`` as numbers, r lists of length ``dimension``.

    :param multivector: whether the collection takes several.
    :raises StoreError: if there is none, one too many, one of another size, or one with NaN or infinity, which would
        make every comparison with its score false.
    """
    rows, name = point.rows, f"Passage {point.passage.id!r}"
    if rows is None or np.ndim(rows) != 2 or len(rows) == 0:
        found = "no vector" if rows is None else f"vectors of shape {np.shape(rows)}"
        raise StoreError(f"{name} has {found}", f"asked for shape (1 or more, {dimension})", "Check the encoder")
    if rows.shape[1] != dimension:
        raise StoreError(
            f"A vector of {name[0].lower()}{name[1:]} has {rows.shape[1]} numbers",
            f"asked for {dimension}, as in the collection",
            "Use the encoder that the collection was made with",
        )
    if len(rows) > 1 and not multivector:
        raise StoreError(
            f"{name} has {len(rows)} rows",
            "asked for one: the collection keeps one vector a point",
            "Store one row (--views 0), or choose another --collection",
        )
    if not np.isfinite(rows).all():
        raise StoreError(f"{name} has a vector with NaN or infinity", "asked for finite numbers", "Check the encoder")
    numbers: list[list[float]] = np.asarray(rows, dtype=np.float32).tolist()
    return numbers


def as_vector(rows: list[list[float]], multivector: bool) -> Any:
    """Rows as the engine takes them: all of them, or the numbers of the only one."""
    return rows if multivector else rows[0]


def from_payload(payload: Mapping[str, Any] | None) -> tuple[Passage, LedgerEntry]:
    """The passage and its ledger entry that `to_payload` wrote.

    :raises StoreError: if xqg did not write ``payload``.
    """
    entry = entry_from_payload(payload)
    fields: Mapping[str, Any] = {} if payload is None else payload
    try:
        passage = Passage(
            id=_text(fields["id"]),
            text=_text(fields["text"]),
            title=_text(fields["title"]),
            language=_text(fields["language"]),
            metadata=dict(fields["metadata"]),
            document_id=_text(fields[DOCUMENT_ID]),
            chunk=int(fields["chunk"]),
            chunks=int(fields["chunks"]),
            document_hash=_text(fields[KEY]["document_hash"]),
        )
    except PARSING_ERRORS as error:
        raise _foreign(fields, f"is damaged ({type(error).__name__}: {error})") from error
    return passage, entry


def entry_from_payload(payload: Mapping[str, Any] | None) -> LedgerEntry:
    """The ledger entry of a payload of which only the key `KEY` need be there.

    :raises StoreError: if xqg did not write ``payload``.
    """
    fields: Mapping[str, Any] = {} if payload is None else payload
    own = fields.get(KEY)
    if not isinstance(own, Mapping):
        raise _foreign(fields, f"has no key {KEY!r}")
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
        raise _foreign(fields, f"is damaged ({type(error).__name__}: {error})") from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"found {type(value).__name__}, asked for text")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        raise TypeError("found text, asked for a list of texts")
    return tuple(_text(item) for item in value)


def to_point(payload: Mapping[str, Any] | None, vectors: Any) -> Point:
    """A stored point as it was read.

    :param vectors: its rows or the numbers of its only one, or such by name, of which the unnamed ones count; None
        where they were not asked for.
    """
    passage, entry = from_payload(payload)
    return Point(passage, entry, read_rows(vectors, DEFAULT_VECTOR))


def read_rows(vectors: Any, name: str) -> Vectors | None:
    """The rows of the vector ``name``, shape (r, dimension), float32; None where the point has none.

    :param vectors: as `to_point` takes them.
    """
    numbers = vectors.get(name) if isinstance(vectors, Mapping) else vectors
    return np.atleast_2d(np.asarray(numbers, dtype=np.float32)) if numbers else None


def to_hits(scored: Sequence[Any]) -> list[Hit]:
    """The results of one query, from objects with ``payload`` and ``score``, best first."""
    hits = []
    for rank, found in enumerate(scored, start=1):
        passage, entry = from_payload(found.payload)
        hits.append(Hit(rank, float(found.score), passage, entry.texts))
    return hits


def filter_paths(key: str) -> tuple[str, ...]:
    """The payload paths that a filter's ``key`` may mean: a field of the passage, else one of its metadata.

    A dotted key is a path below the metadata or a name with dots there; it may be a whole path as well.
    """
    if key in TOP_LEVEL_FIELDS or key.startswith(f"{KEY}."):
        return (key,)
    below = key_paths(key, "metadata.")
    return (as_path(key), *below) if key.startswith("metadata.") else below


def _foreign(payload: Mapping[str, Any], what: str) -> StoreError:
    name = f"The payload of {payload['id']!r}" if "id" in payload else "The payload of a point"
    return StoreError(
        f"{name} {what}, so xqg did not write it",
        "asked for points in xqg's own layout",
        "Use a collection that xqg made, or remove the other points",
    )
