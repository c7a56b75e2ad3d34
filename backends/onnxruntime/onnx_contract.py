"""Holds a model configuration against its ONNX file when the model loads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tritonzoo.runtime.errors import ConfigurationError
from tritonzoo.runtime.ragged import Padding
from tritonzoo.runtime.tensors import TensorSpec

# ONNX Runtime's name of a tensor type to the data type of config.pbtxt.
DATA_TYPES: Mapping[str, str] = {
    "tensor(bool)": "TYPE_BOOL",
    "tensor(uint8)": "TYPE_UINT8",
    "tensor(uint16)": "TYPE_UINT16",
    "tensor(uint32)": "TYPE_UINT32",
    "tensor(uint64)": "TYPE_UINT64",
    "tensor(int8)": "TYPE_INT8",
    "tensor(int16)": "TYPE_INT16",
    "tensor(int32)": "TYPE_INT32",
    "tensor(int64)": "TYPE_INT64",
    "tensor(float16)": "TYPE_FP16",
    "tensor(float)": "TYPE_FP32",
    "tensor(double)": "TYPE_FP64",
    "tensor(string)": "TYPE_STRING",
}


def check_contract(
    inputs: Mapping[str, TensorSpec],
    outputs: Mapping[str, TensorSpec],
    max_batch_size: int,
    padding: Padding,
    session: Any,
) -> None:
    """Raise ConfigurationError with every difference between config.pbtxt and the graph of `session`.

    `session` is an onnxruntime.InferenceSession. A size that either side leaves open fits.
    """
    graph_inputs = {value.name: value for value in session.get_inputs()}
    graph_outputs = {value.name: value for value in session.get_outputs()}
    problems = [
        *_compare("input", inputs, graph_inputs, max_batch_size),
        *_compare("output", outputs, graph_outputs, max_batch_size),
        *(
            f"the ONNX file needs the input '{name}', and config.pbtxt does not declare it; add"
            f' {{ name: "{name}" data_type: {DATA_TYPES.get(graph_inputs[name].type, "?")} }}'
            for name in graph_inputs
            if name not in inputs
        ),
        *_padding_problems(padding, inputs, outputs, graph_inputs, graph_outputs),
    ]
    if problems:
        raise ConfigurationError("config.pbtxt and the ONNX file differ: " + "; ".join(problems))


def _compare(
    side: str, declared: Mapping[str, TensorSpec], graph: Mapping[str, Any], max_batch_size: int
) -> Iterator[str]:
    for spec in declared.values():
        value = graph.get(spec.name)
        if value is None:
            yield f"{side} '{spec.name}' of config.pbtxt is not in the ONNX file, which has {sorted(graph)}"
            continue
        data_type = DATA_TYPES.get(value.type)
        if data_type is None:
            yield f"{side} '{spec.name}' of the ONNX file is {value.type}, which Triton cannot carry"
        elif data_type != spec.data_type:
            yield (
                f"{side} '{spec.name}' is {spec.data_type} in config.pbtxt and {data_type} in the ONNX file;"
                f" write data_type: {data_type}"
            )
        # ONNX Runtime reports a tensor of unknown rank as one of rank 0, so that rank says nothing.
        if value.shape:
            yield from _shape_problems(side, spec, value.shape, max_batch_size)


def _shape_problems(
    side: str, spec: TensorSpec, graph_shape: list[Any], max_batch_size: int
) -> Iterator[str]:
    """`graph_shape` has a number for a fixed size, and a name or None for an open one."""
    sizes = [size if isinstance(size, int) else -1 for size in graph_shape]
    declared = list(spec.shape)
    batch_note = " (with the batch axis first)" if max_batch_size > 0 else ""
    if len(sizes) != len(declared):
        yield (
            f"{side} '{spec.name}' has {len(declared)} axes in config.pbtxt{batch_note} and {len(sizes)} in"
            f" the ONNX file: {declared} and {sizes}; correct dims"
        )
        return
    if max_batch_size > 0 and sizes[0] not in (-1, max_batch_size):
        yield (
            f"{side} '{spec.name}' has a fixed batch of {sizes[0]} in the ONNX file, and config.pbtxt says"
            f" max_batch_size: {max_batch_size}; export with an open batch axis, or set max_batch_size: 0"
            f" and dims: {sizes}"
        )
    first = 1 if max_batch_size > 0 else 0
    for axis in range(first, len(sizes)):
        if -1 not in (sizes[axis], declared[axis]) and sizes[axis] != declared[axis]:
            yield (
                f"{side} '{spec.name}' has dims {declared[first:]} in config.pbtxt and {sizes[first:]} in the"
                f" ONNX file; write dims: {sizes[first:]}"
            )
            return


def _padding_problems(
    padding: Padding,
    inputs: Mapping[str, TensorSpec],
    outputs: Mapping[str, TensorSpec],
    graph_inputs: Mapping[str, Any],
    graph_outputs: Mapping[str, Any],
) -> Iterator[str]:
    for name, padded in padding.axes.items():
        if name not in inputs or padded.axis >= len(inputs[name].shape):
            yield f"parameter 'padding' names axis {padded.axis} of '{name}'; inputs are {_shapes(inputs)}"
    for name, axis in padding.cut.items():
        if name not in outputs or axis >= len(outputs[name].shape):
            yield f"parameter 'padding_cut' names axis {axis} of '{name}'; outputs are {_shapes(outputs)}"
    # An output whose axis has the padded axis's name follows the padded length.
    length_names = {
        graph_inputs[name].shape[padded.axis]
        for name, padded in padding.axes.items()
        if name in graph_inputs and padded.axis < len(graph_inputs[name].shape)
    }
    for name in outputs:
        shape = graph_outputs[name].shape if name in graph_outputs else []
        for axis, size in enumerate(shape):
            if isinstance(size, str) and size in length_names and padding.cut.get(name) != axis:
                yield (
                    f"axis {axis} ('{size}') of output '{name}' follows the padded length; add"
                    f" '{name}:{axis}' to the parameter 'padding_cut'"
                )


def _shapes(specs: Mapping[str, TensorSpec]) -> str:
    return ", ".join(f"{spec.name} {list(spec.shape)}" for spec in specs.values())
