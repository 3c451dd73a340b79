"""A key-value cache of numbered slots, in which sequences that share prefixes lie side by side in one batch row."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import pad
from transformers.cache_utils import Cache, CacheLayerMixin


class SlotLayer(CacheLayerMixin):  # type: ignore[misc]
    """Keys and values of one layer, shape (1, heads, slots, head size), in a buffer with room to grow.

    Which slot a token may look at is the business of the attention mask alone, also where the model has a
    sliding window: nothing is dropped here.
    """

    is_sliding = False

    def __init__(self, room: int) -> None:
        super().__init__()
        self.length = 0
        self._room = room

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Allocate the buffers in the shape and type of the first states."""
        self.keys = key_states.new_zeros(*key_states.shape[:2], self._room, key_states.shape[3])
        self.values = value_states.new_zeros(*value_states.shape[:2], self._room, value_states.shape[3])
        self.dtype, self.device, self.is_initialized = key_states.dtype, key_states.device, True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write new states behind the old ones and return all of them."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        end = self.length + key_states.shape[2]
        self.reserve(end)
        self.keys[:, :, self.length : end] = key_states
        self.values[:, :, self.length : end] = value_states
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def reserve(self, room: int) -> None:
        """Make the buffers at least ``room`` slots long."""
        if room > self._room:
            self._room = max(room, self._room + self._room // 2)
            more = (0, 0, 0, self._room - self.keys.shape[2])
            self.keys, self.values = (pad(buffer, more) for buffer in (self.keys, self.values))

    def keep(self, slots: torch.Tensor) -> None:
        """Throw all slots away but these (ascending)."""
        for buffer in (self.keys, self.values):
            buffer[:, :, : len(slots)] = buffer.index_select(2, slots)
        self.length = len(slots)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Number of keys a forward pass of ``query_length`` tokens sees, and the offset of the first."""
        return self.length + query_length, 0

    def get_seq_length(self) -> int:
        """Number of filled slots."""
        return self.length

    def get_max_length(self) -> int:
        """-1: there is no limit."""
        return -1

    get_max_cache_shape = get_max_length  # its name in older releases of transformers 5


class SlotCache(Cache):  # type: ignore[misc]
    """`SlotLayer` for each layer of a model."""

    def __init__(self, layers: int, room: int) -> None:
        super().__init__(layers=[SlotLayer(room) for _ in range(layers)])

    @property
    def length(self) -> int:
        """Number of filled slots."""
        return int(self.layers[0].length)

    def keep(self, slots: torch.Tensor) -> None:
        """Throw all slots away but these (ascending)."""
        for layer in self.layers:
            layer.keep(slots)

    def append(self, other: SlotCache, start: int = 0) -> None:
        """Copy the slots of ``other`` from ``start`` on behind these."""
        for mine, theirs in zip(self.layers, other.layers, strict=True):
            if theirs.is_initialized and theirs.length > start:
                mine.update(theirs.keys[:, :, start : theirs.length], theirs.values[:, :, start : theirs.length])
