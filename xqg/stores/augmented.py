"""What a collection that `xqg augment` made remembers of how it came about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xqg.errors import PARSING_ERRORS, StoreError
from xqg.known_layouts import layout_from_json
from xqg.layouts import Layout
from xqg.stores.payload import AUGMENTED, KEY


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
