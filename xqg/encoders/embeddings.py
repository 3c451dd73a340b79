"""Reads the vectors in the answer of an embedding endpoint, in the shapes that endpoints give them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xqg.errors import PARSING_ERRORS
from xqg.records import Vectors


class UnreadableVectorsError(ValueError):
    """The answer holds something else than one vector for each text; the message is a predicate."""


def read_vectors(answer: Any, count: int) -> Vectors:
    """The vectors of ``count`` texts in their order, shape (count, d), float32.

    What is null is NaN: that is the fault of one text, which whoever stores it refuses.

    :raises UnreadableVectorsError: if there are not as many, or they differ in length.
    """
    try:
        items = _items(answer)
        if len(items) != count:
            raise UnreadableVectorsError(f"holds {len(items)} vectors for {count} texts")
        rows = [_numbers(_embedding(item)) for item in _in_order(items)]
    except UnreadableVectorsError:
        raise
    except PARSING_ERRORS as error:
        raise UnreadableVectorsError(f"cannot be read ({type(error).__name__})") from error
    lengths = {len(row) for row in rows if row is not None}
    if len(lengths) != 1 or 0 in lengths:
        what = f"different lengths ({', '.join(map(str, sorted(lengths)[:5]))})" if len(lengths) > 1 else "no numbers"
        raise UnreadableVectorsError(f"holds vectors of {what}")
    empty = np.full(lengths.pop(), np.nan)
    with np.errstate(over="ignore"):  # a number too large is an infinity, and refused as one
        return np.stack([empty if row is None else row for row in rows]).astype(np.float32)


def _items(answer: Any) -> Sequence[Any]:
    """The entry of each text: OpenAI's "data", Ollama's and Cohere's "embeddings", or the bare list of TEI."""
    found = answer
    for name in ("data", "embeddings", "float"):
        if isinstance(found, Mapping) and name in found:
            found = found[name]
    if isinstance(found, Mapping) and "embedding" in found:
        found = [found]
    if not isinstance(found, list):
        raise UnreadableVectorsError("cannot be read (no list of vectors)")
    return found


def _in_order(items: Sequence[Any]) -> list[Any]:
    """The entries by their numbers; a place in the list stands for numbers that say nothing.

    Some endpoints leave the number 0 out, or all numbers; some give 0 to all, since they encode one text at a time.
    """
    numbers = [item.get("index") if isinstance(item, Mapping) else None for item in items]
    known = [0 if number is None else int(number) for number in numbers]
    if set(known) <= {0}:
        return list(items)
    first = min(known)
    if sorted(known) != list(range(first, first + len(items))) or first not in (0, 1):
        raise UnreadableVectorsError(f"numbers its vectors {', '.join(map(str, known[:5]))}, …")
    return [item for _, item in sorted(zip(known, items, strict=True), key=lambda pair: pair[0])]


def _embedding(item: Any) -> Any:
    return item["embedding"] if isinstance(item, Mapping) else item


def _numbers(value: Any) -> Any:
    """The numbers of one vector, shape (d,), float64; None where there is none."""
    if isinstance(value, str):  # JSON once more, or float32 in base64
        text = value.strip()
        value = json.loads(text) if text.startswith("[") else _from_base64(text)
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        value = value[0]  # llama.cpp gives a list of one
    if value is None:
        return None
    if isinstance(value, list) and any(isinstance(number, list) for number in value):
        raise UnreadableVectorsError("holds one vector for each token: the endpoint does not pool them")
    if not isinstance(value, list) or any(isinstance(number, bool) for number in value):
        raise UnreadableVectorsError("cannot be read (a vector that is none)")
    return np.array([np.nan if number is None else float(number) for number in value], dtype=np.float64)


def _from_base64(text: str) -> list[float]:
    numbers: list[float] = np.frombuffer(base64.b64decode(text, validate=True), "<f4").tolist()
    return numbers
