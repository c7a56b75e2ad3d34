"""The stretch of a recording that is still needed, by its place in the whole."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Tape:
    """Samples (or any values) appended at the end and forgotten at the front.

    Places count from the recording's first sample, whatever has been forgotten, so hours pass through in
    the memory of what is between `forgotten` and `end`.
    """

    def __init__(self, dtype: Any = np.float32) -> None:
        self._dtype = np.dtype(dtype)
        self._blocks: deque[tuple[int, NDArray[Any]]] = deque()  # (place of its first value, values)
        self.end = 0  # place after the last value
        self.forgotten = 0  # values before this place may be gone

    def append(self, values: NDArray[Any]) -> None:
        """Add values at the end; they are kept, not copied."""
        if values.size:
            self._blocks.append((self.end, np.asarray(values, dtype=self._dtype)))
            self.end += values.size

    def read(self, start: int, end: int) -> NDArray[Any]:
        """A copy of the values from `start` to before `end`, where there are any.

        Raises ValueError when part of it has been forgotten.
        """
        start, end = max(start, 0), min(end, self.end)
        if start < self.forgotten:
            raise ValueError(f"place {start} was forgotten, all before {self.forgotten} is")
        found = np.empty(max(end - start, 0), dtype=self._dtype)
        for place, values in self._blocks:
            first, last = max(start, place), min(end, place + values.size)
            if first < last:
                found[first - start : last - start] = values[first - place : last - place]
        return found

    def forget(self, before: int) -> None:
        """Let go of what lies before a place; a block goes as a whole, once none of it is needed."""
        self.forgotten = max(self.forgotten, min(before, self.end))
        while self._blocks and self._blocks[0][0] + self._blocks[0][1].size <= self.forgotten:
            self._blocks.popleft()
