"""Packs many queries of one passage into one sequence, exactly as if each stood alone after the passage.

A sequence is the passage, then for each query its prompt line, its tokens and the end token. A mask lets each
query see the passage and itself but no other query, and positions restart after the passage for every query, so the
loss and its gradients are those of separate examples while the passage is read once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Segment:
    """One query after its passage: the tokens of the prompt line, and the target tokens with the end token."""

    line: tuple[int, ...]
    target: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.line) + len(self.target)


@dataclass(frozen=True)
class Pack:
    """The tokens of a passage and the queries that share it."""

    passage: tuple[int, ...]
    segments: tuple[Segment, ...]

    def __len__(self) -> int:
        """Tokens to read; the last one of each segment is only ever a target."""
        return len(self.passage) + sum(len(segment) - 1 for segment in self.segments)


@dataclass(frozen=True)
class Batch:
    """Packs side by side, padded to the longest.

    ``tokens``, ``positions``: shape (packs, length). ``owners``: 0 for the passage, n for the nth segment, -1 for
    padding. ``rows``: where in the flattened (packs x length) hidden states each target is predicted;
    ``targets``: what is to be predicted there.
    """

    tokens: Integers
    positions: Integers
    owners: Integers
    rows: Integers
    targets: Integers

    def mask(self, window: int | None = None) -> Booleans:
        """Who may look at whom, shape (packs, 1, length, length), True where allowed.

        :param window: how many positions back, its own included, a token sees; None: all. It counts positions, not
            places in the sequence, because other queries stand between a query and its passage.
        """
        place = np.arange(self.tokens.shape[1])
        causal = place[:, None] >= place[None, :]
        same = self.owners[:, :, None] == self.owners[:, None, :]
        allowed = causal & (same | (self.owners == 0)[:, None, :])
        if window is not None:
            allowed = allowed & (self.positions[:, :, None] - self.positions[:, None, :] < window)
        return np.asarray(allowed[:, None])


def make_batch(packs: Sequence[Pack], padding: int) -> Batch:
    """The arrays that a model reads for ``packs``; ``padding`` is the token to fill short rows with."""
    length = max(len(pack) for pack in packs)
    shape = (len(packs), length)
    tokens, positions = np.full(shape, padding, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    owners = np.full(shape, -1, dtype=np.int64)
    rows: list[int] = []
    targets: list[int] = []
    for index, pack in enumerate(packs):
        end = len(pack.passage)
        tokens[index, :end], positions[index, :end], owners[index, :end] = pack.passage, np.arange(end), 0
        for number, segment in enumerate(pack.segments, start=1):
            read = (*segment.line, *segment.target[:-1])
            place = slice(end, end + len(read))
            tokens[index, place], owners[index, place] = read, number
            positions[index, place] = len(pack.passage) + np.arange(len(read))
            first = index * length + end + len(segment.line) - 1
            rows += range(first, first + len(segment.target))
            targets += segment.target
            end += len(read)
    return Batch(tokens, positions, owners, np.array(rows), np.array(targets))
