"""What an ONNX file says of itself, read without the `onnx` package and without its weights.

Its fields are found by protobuf's wire format (`tritonzoo.runtime.onnx.wire`), so a file of 90 MB is read in
milliseconds, and a truncated one is noticed.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tritonzoo.runtime.onnx.wire import BrokenMessageError, Span, fields, spans

Extent = int | str | None  # a number, the name of an axis that varies, or one that has neither

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


def read_header(path: Path) -> GraphHeader | UnreadableGraph:
    """The outside of the graph in `path`."""
    if path.stat().st_size == 0:
        return UnreadableGraph("is empty")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[: len(_POINTER)] == _POINTER:
            return IS_POINTER
        try:
            return _Header(data).read()
        except BrokenMessageError as error:
            return UnreadableGraph(str(error))


class _Header:
    """What is looked for in the messages of a file."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data

    def read(self) -> GraphHeader:
        model = (0, len(self._data))
        opsets = {
            self._text(opset, _OPSET_DOMAIN): self._number(opset, _OPSET_VERSION)
            for opset in self._spans(model, _MODEL_OPSET)
        }
        ir_version, graph = self._number(model, _MODEL_IR_VERSION), self._span(model, _MODEL_GRAPH)
        if graph is None or not ir_version:
            raise BrokenMessageError("is no ONNX model: it has no graph")
        own_domains = {
            self._text(function, _FUNCTION_DOMAIN) for function in self._spans(model, _MODEL_FUNCTION)
        }
        domains = {self._text(node, _NODE_DOMAIN) for node in self._spans(graph, _GRAPH_NODE)}
        constants, files = set(), dict[str, int]()
        for tensor in self._spans(graph, _GRAPH_INITIALIZER):
            constants.add(self._text(tensor, _TENSOR_NAME))
            name, end = self._external_data(tensor)
            if name:
                files[name] = max(files.get(name, 0), end)
        inputs = self._tensors(graph, _GRAPH_INPUT)
        return GraphHeader(
            ir_version,
            {"" if domain == "ai.onnx" else domain: version for domain, version in opsets.items()},
            {name: tensor for name, tensor in inputs.items() if name not in constants},
            self._tensors(graph, _GRAPH_OUTPUT),
            frozenset(domains - own_domains),
            files,
        )

    def _external_data(self, tensor: Span) -> tuple[str, int]:
        """(file, where the tensor's bytes end in it) of weights kept outside; else empty and 0."""
        entries = {
            self._text(entry, _ENTRY_KEY): self._text(entry, _ENTRY_VALUE)
            for entry in self._spans(tensor, _TENSOR_EXTERNAL_DATA)
        }
        numbers = (entries.get(key, "0") for key in ("offset", "length"))
        end = sum(int(text) for text in numbers if text.isdecimal())
        return entries.get("location", ""), end

    def _tensors(self, graph: Span, wanted: int) -> dict[str, GraphTensor]:
        values = self._spans(graph, wanted)
        return {self._text(value, _VALUE_NAME): self._tensor(value) for value in values}

    def _tensor(self, value_info: Span) -> GraphTensor:
        tensor = self._span(self._span(value_info, _VALUE_TYPE), _TYPE_TENSOR)
        shape = self._span(tensor, _TENSOR_TYPE_SHAPE)
        extents = None if shape is None else tuple(map(self._extent, self._spans(shape, _SHAPE_DIM)))
        return GraphTensor(_TRITON_TYPES.get(self._number(tensor, _TENSOR_TYPE_ELEMENT), ""), extents)

    def _extent(self, dim: Span) -> Extent:
        extent: Extent = None
        for field in fields(self._data, dim):
            if field.number == _DIM_VALUE and isinstance(field.value, int):
                extent = field.value
            elif field.number == _DIM_NAME and isinstance(field.value, tuple):
                extent = self._decoded(field.value)
        return extent

    def _spans(self, message: Span | None, wanted: int) -> Iterator[Span]:
        return iter(()) if message is None else spans(self._data, message, wanted)

    def _span(self, message: Span | None, wanted: int) -> Span | None:
        return next(self._spans(message, wanted), None)

    def _text(self, message: Span, wanted: int) -> str:
        span = self._span(message, wanted)
        return "" if span is None else self._decoded(span)

    def _number(self, message: Span | None, wanted: int) -> int:
        found = () if message is None else fields(self._data, message)
        numbers = (field.value for field in found if field.number == wanted)
        return next((value for value in numbers if isinstance(value, int)), 0)

    def _decoded(self, span: Span) -> str:
        return self._data[slice(*span)].decode("utf-8", "replace")
