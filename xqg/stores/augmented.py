"""What a collection that `xqg augment` made came from, and passages with the point that they are stored as."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from xqg.errors import PARSING_ERRORS, StoreError
from xqg.known_layouts import layout_from_json
from xqg.layouts import PLAIN_VECTOR, Layout
from xqg.records import Passage, Vectors, digest
from xqg.stores.payload import AUGMENTED, KEY, read_rows


@dataclass(frozen=True)
class Augmented:
    """How an augmented collection came about: its source, the layout of that, and the dense vector that is replaced."""

    source: str
    layout: Layout
    vector: str

    def is_read_like(self, other: Augmented) -> bool:
        """Whether both read the same from the same points, whatever the layout is called."""
        mine, theirs = (
            (block.source, block.vector, block.layout.text_key, block.layout.metadata_key, block.layout.own_path)
            for block in (self, other)
        )
        return mine == theirs and type(self.layout) is type(other.layout)

    def to_json(self) -> dict[str, Any]:
        """What is kept under `AUGMENTED`."""
        return {"source": self.source, "layout": self.layout.to_json(), "vector": self.vector}


def augmented_from(metadata: Mapping[str, Any]) -> Augmented | None:
    """The block in the metadata of a collection; None where `xqg augment` did not make it."""
    own = metadata.get(KEY)
    block = own.get(AUGMENTED) if isinstance(own, Mapping) else None
    if block is None:
        return None
    try:
        source, vector = block["source"], block["vector"]
        if not (isinstance(source, str) and isinstance(vector, str)):
            raise TypeError("source and vector are names")
        return Augmented(source, layout_from_json(block["layout"]), vector)
    except PARSING_ERRORS as error:
        found = f"{type(error).__name__}: {error}"
        raise StoreError(f"The metadata of the augmented collection is damaged: {found}", "what xqg wrote") from error


@dataclass(frozen=True)
class SourcePassage(Passage):
    """A passage with the point that it was read from; its id is the point's, its document hash the point's digest.

    ``payload``: of the point, without our key. ``vectors``: all of them, as the client reads them.
    ``vector``: the dense one that is replaced, shape (dimension,), float32; None where the point has none.
    ``replaces``: the document hash of the point of ours that it takes the place of; None where there was none.
    ``in_place``: whether others wrote it into the augmented collection itself.
    """

    payload: Mapping[str, Any] = field(default_factory=dict)
    vectors: Any = None
    vector: Vectors | None = field(default=None, compare=False)
    replaces: str | None = None
    in_place: bool = False

    @property
    def is_augmentable(self) -> bool:
        """Whether there is a text to take pieces from, and a vector to fuse them into."""
        return bool(self.text.strip()) and self.vector is not None


def read_source(
    record: Any,
    layout: Layout,
    vector: str,
    own: Mapping[str, Any],
    detect: Callable[[str], str],
    in_place: bool = False,
) -> SourcePassage:
    """The passage of a point as the client reads it.

    :param vector: the name of the dense vector that is replaced.
    :param own: what stands under our key in the augmented collection; {} where there is nothing.
    :param detect: tells the language of a text that is new and names none.
    """
    payload, vectors = record.payload or {}, record.vector
    if in_place and own:
        payload = layout.without_own(payload)
        rows: Any = [_plain_vector(record.id, own).tolist()]
        vectors = {**vectors, vector: rows[0]} if isinstance(vectors, Mapping) else rows[0]
        document_hash = own["document_hash"]
    else:
        document_hash = point_digest(payload, vectors)
    before = own.get("document_hash")
    passage = layout.passage(
        str(record.id), payload, (lambda text: str(own["language"])) if before == document_hash else detect
    )
    rows = read_rows(vectors, vector)
    plain = {item.name: getattr(passage, item.name) for item in fields(Passage)} | {"document_hash": document_hash}
    return SourcePassage(
        **plain,
        payload=payload,
        vectors=vectors,
        vector=None if rows is None else rows[0],
        replaces=before,
        in_place=in_place,
    )


def point_digest(payload: Mapping[str, Any], vectors: Any) -> str:
    """Hash of payload and vectors, the same over REST and gRPC."""
    return digest([payload, _exact(vectors)])


def encode_vector(vector: Vectors) -> str:
    """A vector as text, as it is kept under our key (`PLAIN_VECTOR`)."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")


def _plain_vector(key: Any, own: Mapping[str, Any]) -> Vectors:
    """The vector that others wrote, kept beside ours."""
    try:
        vector: Vectors = np.frombuffer(base64.b64decode(own[PLAIN_VECTOR]), dtype="<f4").astype(np.float32)
    except PARSING_ERRORS as error:
        raise StoreError(f"Point {key!r} has lost the vector that others gave it: {error}") from error
    return vector


def _exact(vectors: Any) -> Any:
    """Vectors as hashed: floats by their 32 bits, whatever decimals the protocol wrote them in."""
    if hasattr(vectors, "indices"):  # a sparse vector of the client
        return {"indices": vectors.indices, "values": _exact(vectors.values)}
    if isinstance(vectors, Mapping):
        return {name: _exact(part) for name, part in vectors.items()}
    return None if vectors is None else np.asarray(vectors, dtype=np.float32).tobytes().hex()
