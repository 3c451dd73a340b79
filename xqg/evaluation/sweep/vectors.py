"""Vectors that are encoded once: kept in a file beside the results, so that the next sweep need not wait for them."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from xqg.encoders.profiles import find_profile
from xqg.errors import READING_ERRORS, InputError
from xqg.fusion.profile import EncoderProfile
from xqg.protocols import Encoder
from xqg.records import Passage, Vectors, digest

BATCH_SIZE = 256

Progress = Callable[[int, int], None]


class VectorCache:
    """An encoder's vectors by text, in ``vectors-IDENTITY.npz`` in a folder; passages and queries are kept apart."""

    def __init__(self, encoder: Encoder, folder: Path, progress: Progress = lambda done, total: None) -> None:
        self._encoder, self._progress = encoder, progress
        self.path = folder / f"vectors-{digest(dict(encoder.identity))[:12]}.npz"
        self._known: dict[str, Vectors] = _read(self.path) if self.path.exists() else {}

    @property
    def distance(self) -> str:
        """The similarity that the encoder's vectors are made for, "cosine" or "dot"."""
        return self._encoder.distance

    @cached_property
    def profile(self) -> EncoderProfile:
        """The encoder's profile, which may have to be measured when it is first asked for."""
        return find_profile(self._encoder)

    def passages(self, passages: Sequence[Passage]) -> Vectors:
        """Vectors of passages, shape (len(passages), d)."""
        by_key = {_key("passage", passage.content): passage for passage in passages}
        self._encode(by_key, self._encoder.encode_passages)
        return self._stack([_key("passage", passage.content) for passage in passages])

    def queries(self, texts: Sequence[str]) -> Vectors:
        """Vectors of queries, shape (len(texts), d)."""
        self._encode({_key("query", text): text for text in texts}, self._encoder.encode_queries)
        return self._stack([_key("query", text) for text in texts])

    def _encode(self, wanted: Mapping[str, object], encode: Callable[..., Vectors]) -> None:
        missing = {key: text for key, text in wanted.items() if key not in self._known}
        keys = sorted(missing)
        for start in range(0, len(keys), BATCH_SIZE):
            batch = keys[start : start + BATCH_SIZE]
            self._known |= dict(zip(batch, encode([missing[key] for key in batch]), strict=True))
            self._progress(start + len(batch), len(keys))
        if keys:
            self._save()

    def _stack(self, keys: Sequence[str]) -> Vectors:
        if not keys:
            return np.empty((0, self._encoder.dimension), dtype=np.float32)
        return np.stack([self._known[key] for key in keys])

    def _save(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_name(self.path.name + ".draft")
        with draft.open("wb") as file:
            np.savez(file, keys=np.array(list(self._known)), vectors=np.stack(list(self._known.values())))
        draft.replace(self.path)


def _key(kind: str, text: str) -> str:
    return hashlib.sha256(f"{kind}\n{text}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


_UNREADABLE: tuple[type[Exception], ...] = (zipfile.BadZipFile, *READING_ERRORS)


def _read(path: Path) -> dict[str, Vectors]:
    try:
        with np.load(path) as stored:
            return dict(zip(stored["keys"].tolist(), stored["vectors"], strict=True))
    except _UNREADABLE as error:
        raise InputError(f"{path} holds no vectors: {error}", "a file that a sweep wrote", "Delete it") from error
