"""Large weights begin where memory pages can be mapped and vector instructions like it.

A server then uses them where they lie in the file (`tritonzoo.runtime.onnx.mapped`). Protobuf packs fields
without a gap, but leaves their order free and every tensor a comment: blanks in it, before the data, are the
gap. The model says the same as before.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from pathlib import Path

from tritonzoo.runtime.onnx.mapped import (
    ALIGNMENT_BYTES,
    GRAPH_INITIALIZER,
    MODEL_GRAPH,
    TENSOR_RAW_DATA,
    raw_data_of,
)
from tritonzoo.runtime.onnx.wire import Span, bytes_field, fields, header

_TENSOR_DOC_STRING = 12

Part = bytes | Span  # written as it is, or copied from the file


def align_weights(file: Path) -> None:
    """Rewrite an ONNX file so that each large weight begins at a multiple of `ALIGNMENT_BYTES`."""
    staged = file.with_name(f".{file.name}.{os.getpid()}.aligned.partial")
    try:
        with (
            file.open("rb") as opened,
            mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data,
            staged.open("wb") as target,
        ):
            for part in _model(data):
                target.write(data[slice(*part)] if isinstance(part, tuple) else part)
        staged.replace(file)
    finally:
        staged.unlink(missing_ok=True)


def _model(data: mmap.mmap) -> Iterator[Part]:
    position = 0
    for field in fields(data, (0, len(data))):
        if field.number == MODEL_GRAPH and isinstance(field.value, tuple):
            parts = _field_of_graph(data, field.value, position)
        else:
            parts = [field.whole]
        yield from parts
        position += sum(map(_size, parts))


def _field_of_graph(data: mmap.mmap, graph: Span, position: int) -> list[Part]:
    """The graph as a field at `position`. Its length stands before it, and moves what it is the length of."""
    before = header(MODEL_GRAPH, graph[1] - graph[0])
    while True:
        parts = _graph(data, graph, position + len(before))
        longer = header(MODEL_GRAPH, sum(map(_size, parts)))
        if len(longer) == len(before):
            return [longer, *parts]
        before = longer


def _graph(data: mmap.mmap, graph: Span, position: int) -> list[Part]:
    parts: list[Part] = []
    for field in fields(data, graph):
        raw = None
        if field.number == GRAPH_INITIALIZER and isinstance(field.value, tuple):
            raw = raw_data_of(data, field.value)
        if raw is None or not isinstance(field.value, tuple):
            added: list[Part] = [field.whole]
        else:
            added = _tensor(data, field.value, raw, position)
        parts += added
        position += sum(map(_size, added))
    return parts


def _tensor(data: mmap.mmap, tensor: Span, raw: Span, position: int) -> list[Part]:
    """A weight as a field at `position`: a gap, what is said of it, then its bytes."""
    said: list[Part] = [field.whole for field in fields(data, tensor) if field.number != TENSOR_RAW_DATA]
    before_raw = header(TENSOR_RAW_DATA, raw[1] - raw[0])
    for blanks in range(2 * ALIGNMENT_BYTES):  # a length's own length may grow on the way
        gap = bytes_field(_TENSOR_DOC_STRING, b" " * blanks)
        length = len(gap) + sum(map(_size, said)) + len(before_raw) + raw[1] - raw[0]
        start = header(GRAPH_INITIALIZER, length)
        if (position + len(start) + length - (raw[1] - raw[0])) % ALIGNMENT_BYTES == 0:
            return [start, gap, *said, before_raw, raw]
    raise AssertionError("one of the gaps fits")


def _size(part: Part) -> int:
    return part[1] - part[0] if isinstance(part, tuple) else len(part)
