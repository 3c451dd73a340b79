"""The encoder of an ingestion whose generated texts are passages: what takes the place of queries is no question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xqg.protocols import Encoder
from xqg.records import Passage, Vectors


class PassageSideEncoder:
    """Encodes generated texts as passages, with the passages' prefix; the same encoder otherwise."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    @property
    def identity(self) -> Mapping[str, Any]:
        """That of the encoder: questions are searched with it."""
        return self._encoder.identity

    @property
    def dimension(self) -> int:
        """That of the encoder."""
        return self._encoder.dimension

    @property
    def distance(self) -> str:
        """That of the encoder."""
        return self._encoder.distance

    def check(self) -> None:
        """As the encoder does."""
        self._encoder.check()

    def count_tokens(self, text: str) -> int:
        """As the encoder does."""
        return self._encoder.count_tokens(text)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Vectors of generated passages, shape (len(texts), dimension)."""
        return self._encoder.encode_passages([Passage("", text) for text in texts])

    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        """As the encoder does; shape (len(passages), dimension)."""
        return self._encoder.encode_passages(passages)


def encoder_for(encoder: Encoder, augment_with: str | None) -> Encoder:
    """``encoder``, or around it the one for generated "passages"."""
    return PassageSideEncoder(encoder) if augment_with == "passages" else encoder
