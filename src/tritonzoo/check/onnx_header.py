"""What an ONNX file says of itself, read without the `onnx` package and without its weights.

An ONNX file is a protobuf message. Its wire format says of every field how long it is, so that weights are
stepped over: a file of 90 MB is read in milliseconds, and a truncated one is noticed.

Sources: the wire format (https://protobuf.dev/programming-guides/encoding/), and the field numbers of
onnx.proto3 in the ONNX repository.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

Extent = int | str | None  # a number, the name of an axis that varies, or one that has neither
Wire = int | tuple[int, int]  # a number, or where a field's bytes begin and end

# onnx.proto3
_MODEL_IR_VERSION, _MODEL_GRAPH, _MODEL_OPSET, _MODEL_FUNCTION = 1, 7, 8, 25
_OPSET_DOMAIN, _OPSET_VERSION = 1, 2
_FUNCTION_DOMAIN = 10
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT = 1, 5, 11, 12
_NODE_DOMAIN = 7
_TENSOR_NAME, _TENSOR_EXTERNAL_DATA = 8, 13
_ENTRY_KEY, _ENTRY_VALUE = 1, 2
_VALUE_NAME, _VALUE_TYPE = 1, 2
_TYPE_TENSOR = 1
_TENSOR_TYPE_ELEMENT, _TENSOR_TYPE_SHAPE = 1, 2
_SHAPE_DIM, _DIM_VALUE, _DIM_NAME = 1, 1, 2

_POINTER = b"version https://git-lfs"
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_TRITON_TYPES = {
    1: "TYPE_FP32", 2: "TYPE_UINT8", 3: "TYPE_INT8", 4: "TYPE_UINT16", 5: "TYPE_INT16", 6: "TYPE_INT32",
    7: "TYPE_INT64", 8: "TYPE_STRING", 9: "TYPE_BOOL", 10: "TYPE_FP16", 11: "TYPE_FP64", 12: "TYPE_UINT32",
    13: "TYPE_UINT64", 16: "TYPE_BF16",
}  # fmt: skip  # TensorProto.DataType -> Triton's


@dataclass(frozen=True)
class GraphTensor:
    """An input or output of a graph."""

    data_type: str  # Triton's name; empty for one that Triton has no name for
    extents: tuple[Extent, ...] | None  # None: the rank is not said


@dataclass(frozen=True)
class GraphHeader:
    """The outside of a graph."""

    ir_version: int
    opsets: Mapping[str, int]  # domain -> version; the standard domain is ""
    inputs: Mapping[str, GraphTensor]  # without those that have an initializer: nobody must feed these
    outputs: Mapping[str, GraphTensor]
    domains: frozenset[str]  # of the nodes, less those that the file brings functions for
    external_files: Mapping[str, int]  # file beside it that holds weights -> bytes that it has at least


@dataclass(frozen=True)
class UnreadableGraph:
    """A file that is no ONNX model, or only a part of one."""

    reason: str


IS_POINTER = UnreadableGraph("is a Git LFS pointer, not the file")


class _BrokenError(Exception):
    """The bytes are not what the format allows."""


def read_header(path: Path) -> GraphHeader | UnreadableGraph:
    """The outside of the graph in `path`."""
    if path.stat().st_size == 0:
        return UnreadableGraph("is empty")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[: len(_POINTER)] == _POINTER:
            return IS_POINTER
        try:
            return _Header(data).read()
        except _BrokenError as error:
            return UnreadableGraph(str(error))


class _Header:
    """One pass over the message."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data

    def read(self) -> GraphHeader:
        ir_version, opsets, graph, own_domains = 0, {}, None, set()
        for number, value in self._fields(0, len(self._data)):
            if number == _MODEL_IR_VERSION and isinstance(value, int):
                ir_version = value
            elif number == _MODEL_GRAPH and isinstance(value, tuple):
                graph = value
            elif number == _MODEL_OPSET and isinstance(value, tuple):
                domain = self._text(value, _OPSET_DOMAIN)
                opsets["" if domain == "ai.onnx" else domain] = self._number(value, _OPSET_VERSION)
            elif number == _MODEL_FUNCTION and isinstance(value, tuple):
                own_domains.add(self._text(value, _FUNCTION_DOMAIN))
        if graph is None or not ir_version:
            raise _BrokenError("is no ONNX model: it has no graph")
        return self._graph(graph, ir_version, opsets, own_domains)

    def _graph(
        self, span: tuple[int, int], ir_version: int, opsets: Mapping[str, int], own_domains: set[str]
    ) -> GraphHeader:
        inputs, outputs, constants, domains, files = {}, {}, set(), set(), dict[str, int]()
        for number, value in self._fields(*span):
            if not isinstance(value, tuple):
                continue
            if number == _GRAPH_NODE:
                domains.add(self._text(value, _NODE_DOMAIN))
            elif number == _GRAPH_INITIALIZER:
                constants.add(self._text(value, _TENSOR_NAME))
                name, end = self._external_data(value)
                if name:
                    files[name] = max(files.get(name, 0), end)
            elif number == _GRAPH_INPUT:
                inputs[self._text(value, _VALUE_NAME)] = self._tensor(value)
            elif number == _GRAPH_OUTPUT:
                outputs[self._text(value, _VALUE_NAME)] = self._tensor(value)
        return GraphHeader(
            ir_version,
            opsets,
            {name: tensor for name, tensor in inputs.items() if name not in constants},
            outputs,
            frozenset(domains - own_domains),
            files,
        )

    def _external_data(self, tensor: tuple[int, int]) -> tuple[str, int]:
        """(file, where the tensor's bytes end in it) of weights kept outside; else empty and 0."""
        entries = {
            self._text(value, _ENTRY_KEY): self._text(value, _ENTRY_VALUE)
            for number, value in self._fields(*tensor)
            if number == _TENSOR_EXTERNAL_DATA and isinstance(value, tuple)
        }
        numbers = (entries.get(key, "0") for key in ("offset", "length"))
        end = sum(int(text) for text in numbers if text.isdecimal())
        return entries.get("location", ""), end

    def _tensor(self, value_info: tuple[int, int]) -> GraphTensor:
        tensor = self._span(self._span(value_info, _VALUE_TYPE), _TYPE_TENSOR)
        element = self._number(tensor, _TENSOR_TYPE_ELEMENT)
        shape = self._span(tensor, _TENSOR_TYPE_SHAPE)
        extents = None
        if shape is not None:
            extents = tuple(
                self._extent(value)
                for number, value in self._fields(*shape)
                if number == _SHAPE_DIM and isinstance(value, tuple)
            )
        return GraphTensor(_TRITON_TYPES.get(element, ""), extents)

    def _extent(self, dim: tuple[int, int]) -> Extent:
        extent: Extent = None
        for number, value in self._fields(*dim):
            if number == _DIM_VALUE and isinstance(value, int):
                extent = value
            elif number == _DIM_NAME and isinstance(value, tuple):
                extent = self._decoded(value)
        return extent

    def _span(self, message: tuple[int, int] | None, wanted: int) -> tuple[int, int] | None:
        if message is None:
            return None
        spans = (value for number, value in self._fields(*message) if number == wanted)
        return next((value for value in spans if isinstance(value, tuple)), None)

    def _text(self, message: tuple[int, int], wanted: int) -> str:
        span = self._span(message, wanted)
        return "" if span is None else self._decoded(span)

    def _number(self, message: tuple[int, int] | None, wanted: int) -> int:
        if message is None:
            return 0
        numbers = (value for number, value in self._fields(*message) if number == wanted)
        return next((value for value in numbers if isinstance(value, int)), 0)

    def _decoded(self, span: tuple[int, int]) -> str:
        return self._data[span[0] : span[1]].decode("utf-8", "replace")

    def _fields(self, position: int, end: int) -> Iterator[tuple[int, Wire]]:
        """(field number, a number or a span) of each field between two positions."""
        while position < end:
            tag, position = self._varint(position, end)
            number, wire_type = tag >> 3, tag & 7
            value: Wire
            if wire_type == _VARINT:
                value, position = self._varint(position, end)
            elif wire_type == _LENGTH:
                length, start = self._varint(position, end)
                value, position = (start, start + length), start + length
            elif wire_type in (_FIXED32, _FIXED64):
                value, position = 0, position + (4 if wire_type == _FIXED32 else 8)
            else:
                raise _BrokenError(f"is no ONNX model: byte {position} is not protobuf")
            if position > end:
                raise _BrokenError(
                    f"is only a part of an ONNX model: it ends at byte {len(self._data)}, inside a field "
                    f"that goes to {position}"
                )
            yield number, value

    def _varint(self, position: int, end: int) -> tuple[int, int]:
        value = shift = 0
        while position < end and shift < 70:
            byte = self._data[position]
            position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, position
            shift += 7
        raise _BrokenError(f"is no ONNX model, or only a part of one: byte {position} is not protobuf")
