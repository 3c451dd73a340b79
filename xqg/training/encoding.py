"""Many texts to vectors, told while it goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from xqg.fusion.arrays import refuse_non_finite
from xqg.records import Passage, Vectors

Item = TypeVar("Item", str, Passage)

Tell = Callable[[str], None]
"""Is told in a few words what is being done."""

_AT_ONCE = 64


def encode_all(
    what: str, items: Sequence[Item], encode: Callable[[Sequence[Item]], Vectors], dimension: int, tell: Tell
) -> Vectors:
    """The vectors of all items, shape (items, dimension). :raises EncodingError: if one is not finite."""
    parts = [np.empty((0, dimension), dtype=np.float32)]
    for first in range(0, len(items), _AT_ONCE):
        tell(f"{what}: {first} of {len(items)}")
        parts.append(encode(items[first : first + _AT_ONCE]))
    vectors = np.concatenate(parts)
    refuse_non_finite(vectors, what)
    return vectors
