"""Rows of different lengths in one batch: trimmed, grouped by length, padded, and cut back.

A row is one entry of the batch axis of one request. Its length is what its padded inputs measure along
the padded axis, less the padding that it arrived with where a mask tells.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tritonzoo.runtime.errors import ConfigurationError, InvalidInput
from tritonzoo.runtime.tensors import Array

_PADDED_AXIS = re.compile(r"(?P<name>[^\s:,=]+):(?P<axis>[1-9]\d*)=(?P<value>-?\d+(\.\d+)?)")
_CUT_AXIS = re.compile(r"(?P<name>[^\s:,=]+):(?P<axis>[1-9]\d*)")


@dataclass(frozen=True)
class PaddedAxis:
    """An axis of an input that is filled up with `value`; the batch axis is 0, so `axis` is at least 1."""

    axis: int
    value: float


@dataclass(frozen=True)
class Padding:
    """What of a model pads, and what of its answers follows the padded length."""

    axes: Mapping[str, PaddedAxis] = field(default_factory=dict)  # by input
    mask: str | None = None  # the padded input whose last non-zero entry ends a row
    cut: Mapping[str, int] = field(default_factory=dict)  # output to the axis that follows the length

    def __post_init__(self) -> None:
        if self.mask is not None and (self.mask not in self.axes or self.axes[self.mask].axis != 1):
            raise ConfigurationError(
                f"padding_mask '{self.mask}' must be an input whose axis 1 pads; parameter 'padding' has"
                f" {sorted(self.axes)}"
            )
        if self.cut and not self.axes:
            raise ConfigurationError(
                "parameter 'padding_cut' is set, but 'padding' declares nothing that pads"
            )

    @classmethod
    def parse(cls, padding: str, mask: str, cut: str) -> Padding:
        """From a configuration's text, such as "input_ids:1=0, attention_mask:1=0", "attention_mask", "".

        Raises ConfigurationError for text of another form.
        """
        axes = {
            match["name"]: PaddedAxis(int(match["axis"]), float(match["value"]))
            for match in _entries("padding", padding, _PADDED_AXIS, "input:axis=value")
        }
        cuts = {
            match["name"]: int(match["axis"])
            for match in _entries("padding_cut", cut, _CUT_AXIS, "output:axis")
        }
        return cls(axes, mask or None, cuts)

    def lengths(self, inputs: Mapping[str, Array]) -> NDArray[np.int64]:
        """The length of every row of one request.

        Raises InvalidInput where its padded inputs differ in length, or its mask marks nothing in a row.
        """
        measured = {
            name: inputs[name].shape[padded.axis] for name, padded in self.axes.items() if name in inputs
        }
        if len(set(measured.values())) > 1:
            sizes = " and ".join(f"{name} has {length}" for name, length in measured.items())
            raise InvalidInput(f"{sizes} along the axis that they share; send them with one length")
        rows = next(iter(inputs.values())).shape[0]
        length = next(iter(measured.values()), 0)
        if self.axes and length == 0:
            raise InvalidInput(f"{' and '.join(measured)} are empty; send at least one element")
        if self.mask is None or self.mask not in inputs:
            return np.full(rows, length)
        return _extents(self.mask, inputs[self.mask])

    def sent_length(self, inputs: Mapping[str, Array]) -> int:
        """What one request measures along the padded axis as it came; 0 for a model that pads nothing."""
        return next(iter(self._sent_lengths(inputs).values()), 0)

    def _sent_lengths(self, inputs: Mapping[str, Array]) -> dict[str, int]:
        return {name: inputs[name].shape[padded.axis] for name, padded in self.axes.items() if name in inputs}


@dataclass(frozen=True)
class GroupLimits:
    """What a run of a model costs, and how far one may go."""

    run_cost_elements: int  # what a run costs before its first element, as elements that take as long
    max_rows: int
    max_elements: int  # rows times the longest; a single longer row still runs

    def __post_init__(self) -> None:
        if self.run_cost_elements < 0 or self.max_rows < 1 or self.max_elements < 1:
            raise ConfigurationError(
                "run_cost_elements must not be negative, max_group_rows and max_group_elements must be at"
                f" least 1; they are {self.run_cost_elements}, {self.max_rows}, {self.max_elements}"
            )


def group_by_length(lengths: NDArray[np.int64], limits: GroupLimits) -> list[NDArray[np.int64]]:
    """Indices of rows to run together, longest rows first; every row is in one group.

    Of all ways to part the rows in order of their lengths it is one of the least cost: each run costs
    `run_cost_elements` and as many elements as it computes, padding included. Few long runs pad more, many
    short ones start more often (dynamic programming over where the last group begins).
    """
    order = np.argsort(-lengths, kind="stable")
    descending = np.maximum(lengths[order], 1)
    rows = len(descending)
    least = np.zeros(rows + 1, dtype=np.int64)  # cost of the first rows
    begins = np.zeros(rows + 1, dtype=np.int64)  # where the last group of these begins
    for end in range(1, rows + 1):
        first = max(0, end - limits.max_rows)
        elements = (end - np.arange(first, end)) * descending[first:end]
        costs = least[first:end] + elements + limits.run_cost_elements
        costs[:-1][elements[:-1] > limits.max_elements] = np.iinfo(np.int64).max
        best = int(np.argmin(costs))
        least[end], begins[end] = costs[best], first + best
    groups, end = [], rows
    while end:
        groups.append(order[begins[end] : end])
        end = int(begins[end])
    return groups[::-1]


def pad_rows(rows: Sequence[Array], lengths: Sequence[int], padded: PaddedAxis) -> Array:
    """Rows, each with a batch axis of 1, as one array filled up to the longest of `lengths`."""
    shape = list(rows[0].shape)
    shape[0], shape[padded.axis] = len(rows), max(lengths)
    batch = np.full(shape, padded.value, dtype=rows[0].dtype)
    for place, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        batch[_up_to(length, padded.axis, place)] = row[_up_to(length, padded.axis, 0)]
    return batch


def cut_rows(rows: Sequence[Array], lengths: Sequence[int], length: int, axis: int) -> Array:
    """The inverse for one request's answers: each row cut to its length, and zero from there to `length`."""
    shape = list(rows[0].shape)
    shape[0], shape[axis] = len(rows), length
    answer = np.zeros(shape, dtype=rows[0].dtype)
    for place, (row, own) in enumerate(zip(rows, lengths, strict=True)):
        answer[_up_to(own, axis, place)] = row[_up_to(own, axis, 0)]
    return answer


def _up_to(length: int, axis: int, place: int) -> Any:
    """The index of one row's first `length` entries along `axis`."""
    return (place, *(slice(None),) * (axis - 1), slice(length))


def _extents(name: str, mask: Array) -> NDArray[np.int64]:
    """Where each row of the mask ends: the place after its last non-zero entry."""
    length = mask.shape[1]
    if mask[:, -1].all():  # nothing to trim
        return np.full(mask.shape[0], length)
    marked = mask.reshape(mask.shape[0], length, -1).any(axis=2)
    empty = np.flatnonzero(~marked.any(axis=1))
    if empty.size:
        raise InvalidInput(f"row {empty[0]} of {name} is all zeros; mark at least one element with 1")
    trailing: NDArray[np.int64] = np.argmax(marked[:, ::-1], axis=1)
    return length - trailing


def _entries(key: str, text: str, form: re.Pattern[str], wanted: str) -> list[re.Match[str]]:
    matches = []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        match = form.fullmatch(entry)
        if match is None:
            raise ConfigurationError(
                f"parameter '{key}' has the entry '{entry}'; write {wanted}, with axis 1 or higher"
                " (0 is the batch), separated by commas"
            )
        matches.append(match)
    return matches
