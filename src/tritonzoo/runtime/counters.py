"""What padding costs, counted where it happens and read by another process while the server runs.

Not by Triton's custom metrics, one failed call of which ends the server. Each process of a model has a file
of 32 bytes, mapped into its memory: counting is an addition, and a reader never waits.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

COUNTERS_VARIABLE = "TRITONZOO_COUNTERS"  # the folder; without it a process counts for itself alone
_SUFFIX = ".counters"
_NUMBERS = struct.Struct("=4q")


@dataclass(frozen=True)
class Counted:
    """Rows that a model was run with, and how much of the runs was padding."""

    runs: int = 0
    rows: int = 0
    real_elements: int = 0  # lengths of the rows
    padded_elements: int = 0  # rows times the longest of each run

    def __add__(self, other: Counted) -> Counted:
        return Counted(*(mine + its for mine, its in zip(self._all(), other._all(), strict=True)))

    def __sub__(self, other: Counted) -> Counted:
        return Counted(*(mine - its for mine, its in zip(self._all(), other._all(), strict=True)))

    def _all(self) -> tuple[int, int, int, int]:
        return self.runs, self.rows, self.real_elements, self.padded_elements

    @property
    def waste(self) -> float:
        """Padding as a share of what was real: 0.1 is a tenth computed on top, for nothing."""
        return self.padded_elements / self.real_elements - 1 if self.real_elements else 0.0


class PaddingCounters:
    """The counts of one process."""

    def __init__(self, shared: mmap.mmap | bytearray) -> None:
        """Use `of`. `shared` holds runs, rows, real elements, padded elements."""
        self._shared = shared
        self._runs = self._rows = self._real_elements = self._padded_elements = 0

    @classmethod
    def of(cls, model: str) -> PaddingCounters:
        """Those of this process, for others to read where the server was given a folder for it."""
        folder = os.environ.get(COUNTERS_VARIABLE)
        if folder is None:
            return cls(bytearray(_NUMBERS.size))
        path = Path(folder) / f"{model}.{os.getpid()}{_SUFFIX}"
        path.write_bytes(bytes(_NUMBERS.size))
        with path.open("r+b") as file:
            return cls(mmap.mmap(file.fileno(), _NUMBERS.size))

    def add(self, rows: int, real_elements: int, padded_elements: int) -> None:
        """Count one run."""
        self._runs += 1
        self._rows += rows
        self._real_elements += real_elements
        self._padded_elements += padded_elements
        _NUMBERS.pack_into(
            self._shared, 0, self._runs, self._rows, self._real_elements, self._padded_elements
        )

    def counted(self) -> Counted:
        """All since the model was loaded."""
        return Counted(self._runs, self._rows, self._real_elements, self._padded_elements)


def read_counters(folder: Path) -> Mapping[str, Counted]:
    """By model, over all its processes, those that have ended too."""
    found: dict[str, Counted] = {}
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        model = path.name.removesuffix(_SUFFIX).rpartition(".")[0]
        content = path.read_bytes()
        if len(content) == _NUMBERS.size:  # else it is being made at this moment
            found[model] = found.get(model, Counted()) + Counted(*_NUMBERS.unpack(content))
    return found
