"""Connected parts of a mask, in NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Component:
    """One connected part: its label, its half-open box in pixels, and its weight."""

    label: int
    top: int
    left: int
    bottom: int
    right: int
    weight: float

    @property
    def longer_side(self) -> int:
        return max(self.bottom - self.top, self.right - self.left)


def connected_components(
    mask: NDArray[np.bool_], weights: NDArray[np.float32]
) -> tuple[NDArray[np.int32], list[Component]]:
    """Label the 8-connected parts of `mask`, heaviest first.

    Two passes over runs of set pixels with union-find (Rosenfeld and Pfaltz 1966, on runs).

    mask, weights: (height, width). A part's weight is the sum of `weights` over its pixels.
    Returns labels (height, width), 0 where nothing is set, and the parts sorted by falling weight.
    """
    rows, starts, ends = _runs(mask)
    parent = list(range(len(rows)))

    def root(run: int) -> int:
        while parent[run] != run:
            parent[run] = parent[parent[run]]
            run = parent[run]
        return run

    first_of_row = np.searchsorted(rows, np.arange(mask.shape[0] + 1)).tolist()
    start_list, end_list = starts.tolist(), ends.tolist()
    for row in range(1, mask.shape[0]):
        above, above_end = first_of_row[row - 1], first_of_row[row]
        for run in range(first_of_row[row], first_of_row[row + 1]):
            while above < above_end and end_list[above] < start_list[run]:
                above += 1
            touching = above
            while touching < above_end and start_list[touching] <= end_list[run]:
                parent[root(touching)] = root(run)
                touching += 1
    roots = np.array([root(run) for run in range(len(rows))], dtype=np.int64)
    _, label_of_run = np.unique(roots, return_inverse=True)
    labels = np.zeros(mask.shape, dtype=np.int32)
    labels[mask] = np.repeat(label_of_run + 1, ends - starts)
    return labels, _described(rows, starts, ends, label_of_run, np.bincount(labels.ravel(), weights.ravel()))


def _runs(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Runs of set pixels in reading order: row, first column, column after the last."""
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    _, ends = np.nonzero(edges == -1)
    return rows, starts, ends


def _described(
    rows: NDArray[np.int64],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    label_of_run: NDArray[np.int64],
    weight_of_label: NDArray[Any],
) -> list[Component]:
    count = int(label_of_run.max(initial=-1)) + 1
    top = np.full(count, np.iinfo(np.int64).max)
    left, bottom, right = top.copy(), np.zeros(count, np.int64), np.zeros(count, np.int64)
    np.minimum.at(top, label_of_run, rows)
    np.minimum.at(left, label_of_run, starts)
    np.maximum.at(bottom, label_of_run, rows + 1)
    np.maximum.at(right, label_of_run, ends)
    parts = [
        Component(
            i + 1, int(top[i]), int(left[i]), int(bottom[i]), int(right[i]), float(weight_of_label[i + 1])
        )
        for i in range(count)
    ]
    return sorted(parts, key=lambda part: -part.weight)
