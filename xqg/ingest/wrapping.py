"""An encoder around another one: the same unless a subclass says otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xqg.protocols import Encoder
from xqg.records import Passage, Vectors


class WrappedEncoder:
    """Does what ``inner`` does."""

    def __init__(self, inner: Encoder) -> None:
        self._inner = inner

    @property
    def identity(self) -> Mapping[str, Any]:
        """That of the encoder."""
        return self._inner.identity

    @property
    def dimension(self) -> int:
        """That of the encoder."""
        return self._inner.dimension

    @property
    def distance(self) -> str:
        """That of the encoder."""
        return self._inner.distance

    def check(self) -> None:
        """As the encoder does."""
        self._inner.check()

    def count_tokens(self, text: str) -> int:
        """As the encoder does."""
        return self._inner.count_tokens(text)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """As the encoder does; shape (len(texts), dimension)."""
        return self._inner.encode_queries(texts)

    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        """As the encoder does; shape (len(passages), dimension)."""
        return self._inner.encode_passages(passages)
