"""Inspection of the source before anything is written: can it be augmented, and how is it read?"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xqg.errors import StoreError
from xqg.known_layouts import choose_layout
from xqg.layouts import OWN_KEY, Layout
from xqg.protocols import Encoder
from xqg.records import Passage, Vectors
from xqg.settings import AugmentSettings
from xqg.stores.augmented import Augmented, augmented_from
from xqg.stores.collection_config import Shape, VectorShape
from xqg.stores.payload import read_rows
from xqg.stores.server import Server, require_shape

logger = logging.getLogger(__name__)

CHECKED_POINTS = 20
"""Points whose text is encoded to see whether the encoder made their vectors."""

SAME, SIMILAR = 0.99, 0.8
"""Median cosine of an encoder's vectors with the stored ones: of the same model, and of one that may be it."""

LOSSY = ("uint8", "turbo4", "turbo8", "turbo16")
DISTANCES = ("cosine", "dot")


@dataclass(frozen=True)
class Inspected:
    """What is known of a source that can be augmented.

    ``agreement`` is the median cosine of the encoder with the stored vectors; None where it was not measured.
    """

    block: Augmented
    distance: str
    agreement: float | None


def inspect_source(server: Server, source: str, settings: AugmentSettings, encoder: Encoder) -> Inspected:
    """Read how a collection is made, and refuse what cannot be improved.

    :raises StoreError: says what is in the way, and the way out.
    """
    shape = require_shape(server, source)
    _refuse_own(source, shape)
    name = shape.choose_vector(source, settings.vector_name)
    vector = shape.vectors[name]
    _check_vector(source, name, vector, encoder)
    sample = next(server.pages(source))
    if not sample:
        raise StoreError(f"Collection {source!r} is empty", "points with texts and vectors", "Fill it first")
    payloads = [point.payload or {} for point in sample]
    layout = choose_layout(payloads, settings.layout, settings.text_key, settings.metadata_key)
    if any(layout.own(payload) is not None for payload in payloads):
        raise _twice(source)
    agreement = None if settings.trust_encoder else check_encoder(sample, layout, name, encoder)
    return Inspected(Augmented(source, layout, name), vector.distance, agreement)


def _refuse_own(source: str, shape: Shape) -> None:
    if OWN_KEY in shape.metadata:
        raise _twice(source, augmented_from(shape.metadata))
    if shape.custom_sharding:
        raise StoreError(
            f"Collection {source!r} is sharded by keys of its own",
            "automatic sharding: copying point by point does not tell the shards",
            "Augment it before it is sharded",
        )


def _twice(source: str, block: Augmented | None = None) -> StoreError:
    remedy = "Start from the collection that it was made from" + (f": {block.source!r}" if block else "")
    return StoreError(f"The vectors of {source!r} are xqg's already", "plain vectors to fuse queries into", remedy)


def _check_vector(source: str, name: str, vector: VectorShape, encoder: Encoder) -> None:
    found = f"The vector {name!r} of {source!r}" if name else f"The vector of {source!r}"
    problem = None
    if vector.multivector:
        problem = "is a multivector (late interaction)", "one vector a point", "Name a dense vector with --vector-name"
    elif vector.datatype in LOSSY:
        lost = f"is stored as {vector.datatype}, so the encoder's own vectors are gone"
        problem = lost, "float32 (quantization beside it is fine)", "Ingest the texts again into a float32 collection"
    elif vector.distance not in DISTANCES:
        problem = f"is compared by {vector.distance} distance", "cosine or dot product", ""
    elif vector.size != encoder.dimension:
        remedy = "Name the --encoder that the collection was made with"
        problem = f"has {vector.size} dimensions", f"the encoder's {encoder.dimension}", remedy
    if problem is not None:
        raise StoreError(f"{found} {problem[0]}", *problem[1:])
    if vector.datatype == "float16":
        logger.warning("%s is stored as float16; the fused vectors are rounded to it too", found)


def check_encoder(sample: Sequence[Any], layout: Layout, vector: str, encoder: Encoder) -> float | None:
    """The median cosine of the encoder's vectors of some texts with the stored ones.

    :returns: None where no point of the sample has both a text and a vector.
    :raises StoreError: if it is too low for the encoder that made them.
    """
    rows = [(point.payload or {}, read_rows(point.vector, vector)) for point in sample]
    usable = [(payload, found[0]) for payload, found in rows if found is not None and layout.text(payload).strip()]
    if not usable:
        return None
    chosen = usable[:: max(1, len(usable) // CHECKED_POINTS)][:CHECKED_POINTS]
    median = float(
        np.median([_agreement(layout.embedded_texts(payload), stored, encoder) for payload, stored in chosen])
    )
    if median >= SAME:
        return median
    near = "other prefixes, another revision or more than the text embedded"
    close = near if median >= SIMILAR else "another model"
    raise StoreError(
        f"The encoder did not make the stored vectors: the median cosine with its own is {median:.3f} over "
        f"{len(chosen)} points, which suggests {close}",
        f"at least {SAME}",
        "Name the --encoder of the collection, with its --passage-prefix; where the stack embedded more than the text "
        "(titles, metadata) and the encoder is right, give --trust-encoder",
    )


def _agreement(texts: Sequence[str], stored: Vectors, encoder: Encoder) -> float:
    """The best cosine of ``stored`` with what the encoder makes of texts that the stack may have embedded."""
    mine = encoder.encode_passages([Passage("", text) for text in texts]).astype(np.float64)
    lengths = np.linalg.norm(mine, axis=1) * np.linalg.norm(stored)
    return float(np.max(mine @ stored / np.maximum(lengths, 1e-12)))
