"""A batch of requests as runs over groups of their rows, and the answers put back in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tritonzoo.runtime.errors import WrongAnswerError
from tritonzoo.runtime.ragged import GroupLimits, Padding, cut_rows, group_by_length, pad_rows
from tritonzoo.runtime.tensors import Array

Inputs = Mapping[str, Array]


@dataclass(frozen=True)
class Row:
    """One row of one request."""

    request: int  # its place among the requests
    place: int  # of the row in its request
    length: int  # along the padded axis, without padding; 0 for a model that pads nothing


@dataclass(frozen=True)
class Group:
    """Rows that run together."""

    rows: tuple[Row, ...]

    @property
    def requests(self) -> frozenset[int]:
        """Places of the requests that have a row here."""
        return frozenset(row.request for row in self.rows)

    @property
    def real_elements(self) -> int:
        """What the rows measure together."""
        return sum(row.length for row in self.rows)

    @property
    def padded_elements(self) -> int:
        """What the run computes: every row as long as the longest."""
        return len(self.rows) * max(row.length for row in self.rows)


def plan(
    requests: Mapping[int, Inputs],
    lengths: Mapping[int, NDArray[np.int64]],
    padding: Padding,
    limits: GroupLimits,
) -> list[Group]:
    """Groups that together hold every row of `requests` (by place) once.

    Only rows with the same inputs, of the same shape off the batch axis and the padded axis, share a
    group; within one the lengths differ no more than `limits` allow.
    """
    rows_by_shape: dict[tuple[object, ...], list[Row]] = {}
    for place, inputs in requests.items():
        rows = [Row(place, row, length) for row, length in enumerate(lengths[place].tolist())]
        rows_by_shape.setdefault(_unpadded_shape(inputs, padding), []).extend(rows)
    groups = []
    for rows in rows_by_shape.values():
        row_lengths = np.array([row.length for row in rows])
        for members in group_by_length(row_lengths, limits):
            groups.append(Group(tuple(rows[index] for index in members)))
    return groups


def makespan(costs: Sequence[int], workers: int) -> int:
    """When the last of `workers` is done that each take the dearest that is left (LPT, Graham 1969)."""
    busy = [0] * workers
    for cost in sorted(costs, reverse=True):
        busy[busy.index(min(busy))] += cost
    return max(busy)


def gather(group: Group, requests: Mapping[int, Inputs], padding: Padding) -> dict[str, Array]:
    """The inputs of one run: the group's rows, padded to the longest where the model pads."""
    gathered = {}
    lengths = [row.length for row in group.rows]
    for name in requests[group.rows[0].request]:
        rows = [requests[row.request][name][row.place : row.place + 1] for row in group.rows]
        padded = padding.axes.get(name)
        gathered[name] = np.concatenate(rows) if padded is None else pad_rows(rows, lengths, padded)
    return gathered


class Gathering:
    """Collects the outputs of runs until every row of every request has its own."""

    def __init__(self, padding: Padding) -> None:
        self._padding = padding
        self._rows: dict[int, dict[int, tuple[Row, dict[str, Array]]]] = {}

    def add(self, group: Group, outputs: Mapping[str, Array]) -> None:
        """Take the outputs of the group's run; their first axis is the group's rows."""
        for index, row in enumerate(group.rows):
            own = {name: output[index : index + 1] for name, output in outputs.items()}
            self._rows.setdefault(row.request, {})[row.place] = (row, own)

    def answer(self, request: int, length: int) -> dict[str, Array]:
        """The outputs of one request, rows in the caller's order.

        `length` is what the request measures along the padded axis as it was sent. Outputs that follow it
        are cut from the padded length to that, and are zero where the caller's own padding was trimmed.
        """
        rows = [self._rows[request][place] for place in range(len(self._rows[request]))]
        answer = {}
        for name in rows[0][1]:
            parts = [outputs[name] for _, outputs in rows]
            if name in self._padding.cut:
                own = [row.length for row, _ in rows]
                answer[name] = cut_rows(parts, own, length, self._padding.cut[name])
            elif len(parts) == 1:
                answer[name] = parts[0]
            elif len({part.shape for part in parts}) == 1:
                answer[name] = np.concatenate(parts)
            else:
                raise WrongAnswerError(
                    f"output '{name}' differs in shape between the rows of one request; where it follows the"
                    " padded length, declare that in parameter 'padding_cut'"
                )
        return answer


def _unpadded_shape(inputs: Inputs, padding: Padding) -> tuple[object, ...]:
    shapes: list[object] = []
    for name, array in inputs.items():
        padded = padding.axes.get(name)
        dropped = (0,) if padded is None else (0, padded.axis)
        shape = tuple(size for axis, size in enumerate(array.shape) if axis not in dropped)
        shapes.append((name, shape))
    return tuple(sorted(shapes, key=str))
