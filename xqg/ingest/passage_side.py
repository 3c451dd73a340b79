"""The encoder of an ingestion whose generated texts are passages: what takes the place of queries is no question."""

from __future__ import annotations

from collections.abc import Sequence

from xqg.ingest.wrapping import WrappedEncoder
from xqg.protocols import Encoder
from xqg.records import Passage, Vectors


class PassageSideEncoder(WrappedEncoder):
    """Encodes generated texts as passages, with the passages' prefix; the same encoder otherwise."""

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Vectors of generated passages, shape (len(texts), dimension)."""
        return self._inner.encode_passages([Passage("", text) for text in texts])


def encoder_for(encoder: Encoder, augment_with: str | None) -> Encoder:
    """``encoder``, or around it the one for generated "passages"."""
    return PassageSideEncoder(encoder) if augment_with == "passages" else encoder
