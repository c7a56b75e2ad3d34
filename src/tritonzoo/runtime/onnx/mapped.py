"""Weights used where they lie, in the ONNX file, in place of copies of them in memory.

ONNX Runtime reads a file as a whole, and copies every weight out of it. Weights in files of their own
(`external_data`) it maps: they cost no copy, only what is used of them is in memory, every process shares
that, and the kernel may drop it. So ONNX Runtime is given the graph without its large weights, and for each
of them the place where it lies, which is in the very file that the graph comes from.

Kernels take weights to be aligned, which protobuf does not see to. `tritonzoo convert` does; what lies askew
all the same, in a file made by others, is copied as ever. A mapped file must not be written into: put
another one in its place, as `convert` does.
"""

from __future__ import annotations

import mmap
from pathlib import Path

from tritonzoo.runtime.onnx.wire import (
    BrokenMessageError,
    Span,
    bytes_field,
    fields,
    number_field,
    spans,
)

ALIGNMENT_BYTES = 64  # a cache line, and the widest vector registers that there are
SMALLEST_BYTES = 64 * 1024  # a mapping takes whole pages; what is smaller is copied

# onnx.proto3
MODEL_GRAPH = 7
GRAPH_INITIALIZER = 5
TENSOR_RAW_DATA = 9
_TENSOR_EXTERNAL_DATA, _TENSOR_DATA_LOCATION = 13, 14
_ENTRY_KEY, _ENTRY_VALUE = 1, 2
_EXTERNAL = 1

# Where ONNX Runtime looks for the weights of a graph that it gets as bytes.
FOLDER_ENTRY = "session.model_external_initializers_file_folder_path"


def graph_with_mapped_weights(file: Path) -> bytes | None:
    """The model in `file` with its large weights named by their place there; None where there are none.

    None, too, for a file that cannot be read: ONNX Runtime says what is wrong with it.
    """
    if file.stat().st_size < SMALLEST_BYTES:
        return None
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            return _Rewriting(data, file.name).model()
        except BrokenMessageError:
            return None


def raw_data_of(data: mmap.mmap, tensor: Span) -> Span | None:
    """Where the bytes of a weight are, if it is large enough for being mapped."""
    if tensor[1] - tensor[0] < SMALLEST_BYTES:
        return None
    raws = spans(data, tensor, TENSOR_RAW_DATA)
    return next((raw for raw in raws if raw[1] - raw[0] >= SMALLEST_BYTES), None)


class _Rewriting:
    """One pass over a file."""

    def __init__(self, data: mmap.mmap, name: str) -> None:
        self._data, self._name = data, name
        self._mapped = 0

    def model(self) -> bytes | None:
        parts = []
        for field in fields(self._data, (0, len(self._data))):
            if field.number == MODEL_GRAPH and isinstance(field.value, tuple):
                parts.append(bytes_field(MODEL_GRAPH, self._graph(field.value)))
            else:
                parts.append(self._data[slice(*field.whole)])
        return b"".join(parts) if self._mapped else None

    def _graph(self, graph: Span) -> bytes:
        parts = []
        copied = graph[0]  # up to here it is in `parts`; runs of fields are copied at once
        for field in fields(self._data, graph):
            if field.number != GRAPH_INITIALIZER or not isinstance(field.value, tuple):
                continue
            raw = raw_data_of(self._data, field.value)
            if raw is None or raw[0] % ALIGNMENT_BYTES:
                continue
            parts += [self._data[copied : field.whole[0]], self._reference(field.value, raw)]
            copied = field.whole[1]
            self._mapped += 1
        return b"".join([*parts, self._data[copied : graph[1]]])

    def _reference(self, tensor: Span, raw: Span) -> bytes:
        kept = [
            self._data[slice(*field.whole)]
            for field in fields(self._data, tensor)
            if field.number not in (TENSOR_RAW_DATA, _TENSOR_DATA_LOCATION)
        ]
        place = {"location": self._name, "offset": str(raw[0]), "length": str(raw[1] - raw[0])}
        entries = [
            bytes_field(
                _TENSOR_EXTERNAL_DATA,
                bytes_field(_ENTRY_KEY, key.encode()) + bytes_field(_ENTRY_VALUE, value.encode()),
            )
            for key, value in place.items()
        ]
        location = number_field(_TENSOR_DATA_LOCATION, _EXTERNAL)
        return bytes_field(GRAPH_INITIALIZER, b"".join([*kept, *entries, location]))
