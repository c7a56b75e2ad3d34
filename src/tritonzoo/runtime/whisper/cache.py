"""The keys and values of every row in the batch, in buffers that the graphs read and write in place.

A row is a slot. The rows at work are always the first ones, so that a run binds the prefix [0:rows] of each
buffer with nothing copied. When a row leaves, the last one moves into its place.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tritonzoo.runtime.tensors import Array

# Slots of the self-attention's cache grow by this many tokens: attention over empty slots is wasted.
_TOKENS_STEP = 64


@dataclass(frozen=True)
class CacheShape:
    """The sizes of a decoder."""

    layers: int
    heads: int
    size: int  # of one head
    positions: int  # of the encoder, 1500
    dtype: np.dtype[Any]

    @property
    def cross_bytes_per_row(self) -> int:
        """What the cross-attention of one row takes: 110 MB at whisper-small in float32."""
        return 2 * self.layers * self.heads * self.size * self.positions * self.dtype.itemsize

    def self_bytes_per_row(self, tokens: int) -> int:
        """What `tokens` tokens of one row take: 33 MB for 448 at whisper-small."""
        return 2 * self.layers * self.heads * self.size * tokens * self.dtype.itemsize


class Cache:
    """Buffers for up to `max_rows` rows. Memory is taken as rows are used, and given back by `release`."""

    def __init__(self, shape: CacheShape, max_rows: int, max_tokens: int) -> None:
        """`max_tokens` is the longest that a row may become."""
        self.shape, self.max_rows = shape, max_rows
        self._max_tokens = max_tokens
        self.generation = 0  # changes whenever the buffers do
        rows = (shape.layers, max_rows, shape.heads)
        self._cross_memory = _Untouched(rows, (shape.size, shape.positions), shape.dtype)
        self._cross_value_memory = _Untouched(rows, (shape.positions, shape.size), shape.dtype)
        self.cross_keys = self._cross_memory.array  # (layers, rows, heads, size, positions)
        self.cross_values = self._cross_value_memory.array  # (layers, rows, heads, positions, size)
        self._allocate(min(_TOKENS_STEP, max_tokens))

    @property
    def tokens(self) -> int:
        """How many tokens of a row there is room for at present."""
        return int(self.self_keys.shape[-1])

    def reserve(self, tokens: int, rows: int) -> None:
        """Make room for `tokens` tokens of each of the first `rows` rows, and no more than that calls for."""
        steps = -(-max(tokens, 1) // _TOKENS_STEP)
        wanted = min(steps * _TOKENS_STEP, self._max_tokens)
        # Shrinking only by half spares a batch that grows and shrinks around a border the copies.
        if self.tokens >= wanted > self.tokens // 2:
            return
        keys, values, kept = self.self_keys, self.self_values, min(self.tokens, wanted)
        self._allocate(wanted)
        self.self_keys[:, :rows, ..., :kept] = keys[:, :rows, ..., :kept]
        self.self_values[:, :rows, :, :kept] = values[:, :rows, :, :kept]

    def note(self, slot: int, past: int, keys: Array, values: Array) -> None:
        """Write new tokens of one row after the `past` ones that are there.

        keys: (layers, heads, size, tokens); values: (layers, heads, tokens, size).
        """
        end = past + keys.shape[-1]
        self.self_keys[:, slot, :, :, past:end] = keys
        self.self_values[:, slot, :, past:end] = values

    def note_step(self, past: list[int], keys: Array, values: Array) -> None:
        """Write a new token of each of the first rows; keys: (layers, rows, heads, size, 1), values alike."""
        for row, position in enumerate(past):
            self.self_keys[:, row, :, :, position] = keys[:, row, :, :, 0]
            self.self_values[:, row, :, position] = values[:, row, :, 0]

    def copy_tokens(self, source: int, target: int, tokens: int) -> None:
        """Copy what a row has said so far to another row of the same window."""
        self.self_keys[:, target, ..., :tokens] = self.self_keys[:, source, ..., :tokens]
        self.self_values[:, target, :, :tokens] = self.self_values[:, source, :, :tokens]

    def copy(self, source: int, target: int, tokens: int) -> None:
        """Copy a row, its window included."""
        self.cross_keys[:, target] = self.cross_keys[:, source]
        self.cross_values[:, target] = self.cross_values[:, source]
        self.copy_tokens(source, target, tokens)

    def release(self) -> None:
        """Give the memory of all rows back to the system; nothing of them is kept."""
        self._cross_memory.release()
        self._cross_value_memory.release()
        self._allocate(min(_TOKENS_STEP, self._max_tokens))

    def _allocate(self, tokens: int) -> None:
        shape = self.shape
        rows = (shape.layers, self.max_rows, shape.heads)
        # Zeros, not just memory: a slot that is masked counts 0 times what lies there, which must be finite.
        # They are the system's own, and taken only when written to.
        self.self_keys = np.zeros((*rows, shape.size, tokens), shape.dtype)
        self.self_values = np.zeros((*rows, tokens, shape.size), shape.dtype)
        self.generation += 1


class _Untouched:
    """An array whose pages the system gives when they are first written, and takes back on `release`."""

    def __init__(self, rows: tuple[int, ...], each: tuple[int, int], dtype: np.dtype[Any]) -> None:
        shape = (*rows, *each)
        count = int(np.prod(shape))
        self._memory = mmap.mmap(-1, count * dtype.itemsize, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.array: NDArray[Any] = np.frombuffer(self._memory, dtype, count).reshape(shape)

    def release(self) -> None:
        """What was written is gone; what is read next is 0."""
        self._memory.madvise(mmap.MADV_DONTNEED)
