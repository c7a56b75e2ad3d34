"""Rules about the inputs and outputs that a config.pbtxt declares."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from tritonzoo.check.finding import Fault, Severity
from tritonzoo.check.folder import ONNX_BACKEND, Folder, type_name
from tritonzoo.check.rule import models, readable, rule
from tritonzoo.runtime.tensors import NUMPY_DTYPES

_SIDES = ("input", "output")
_NAME = re.compile(r"[^\s,;=\"'{}]+")


def _tensors(folder: Folder) -> Iterator[tuple[str, int, Any]]:
    for side in _SIDES:
        for index, tensor in enumerate(getattr(folder.config, side)):
            yield side, index, tensor


@rule(on=readable)
def tensors_missing(folder: Folder) -> Iterator[Fault]:
    """A model declares what it takes and what it gives.

    The tree is served with `--disable-auto-complete-config`, since completing starts every Python model
    twice: what is not declared does not exist.
    """
    for side in _SIDES:
        if not getattr(folder.config, side):
            yield folder.fault(
                f"declares no {side}",
                f'add {side} [{{ name: "..." data_type: TYPE_... dims: [ ... ] }}]',
                side,
            )


@rule(on=readable)
def tensor_name(folder: Folder) -> Iterator[Fault]:
    """Every tensor has a name, of one word."""
    for side, index, tensor in _tensors(folder):
        if not _NAME.fullmatch(tensor.name):
            what = f"is called {tensor.name!r}" if tensor.name else "has no name"
            yield folder.fault(
                f"{side} {index} {what}",
                'give it one: name: "pixels", no spaces or quotes',
                side,
                index,
                "name",
            )


@rule(on=readable)
def tensor_repeated(folder: Folder) -> Iterator[Fault]:
    """No two inputs have one name, and no two outputs."""
    seen: set[tuple[str, str]] = set()
    for side, index, tensor in _tensors(folder):
        if tensor.name and (side, tensor.name) in seen:
            yield folder.fault(
                f"{side} {tensor.name!r} is declared twice", "remove one, or rename it", side, index, "name"
            )
        seen.add((side, tensor.name))


@rule(on=readable)
def tensor_type(folder: Folder) -> Iterator[Fault]:
    """Every tensor has a data type, and one that its backend can hold."""
    own = folder.config.backend in ("python", *folder.tree.backends)
    for side, index, tensor in _tensors(folder):
        name = type_name(tensor.data_type)
        if name == "TYPE_INVALID":
            yield folder.fault(
                f"{side} {tensor.name!r} has no data_type",
                "add one, such as data_type: TYPE_FP32",
                side,
                index,
            )
        elif own and name not in NUMPY_DTYPES and not folder.is_ensemble:
            yield folder.fault(
                f"{side} {tensor.name!r} is {name}, which NumPy, hence a Python model, cannot hold",
                "make it TYPE_FP32 or TYPE_FP16",
                side,
                index,
                "data_type",
            )


@rule(on=readable)
def tensor_dims(folder: Folder) -> Iterator[Fault]:
    """Every tensor has at least one dimension; each is positive, or -1 where it varies.

    The batch is not among them where `max_batch_size` is above 0.
    """
    for side, index, tensor in _tensors(folder):
        wrong = next((axis for axis, dim in enumerate(tensor.dims) if dim < 1 and dim != -1), None)
        if not tensor.dims:
            yield folder.fault(
                f"{side} {tensor.name!r} has no dims, and Triton has no tensor of rank 0",
                "write dims: [ 1 ] for one number, dims: [ -1 ] for any count",
                side,
                index,
                "dims",
            )
        elif wrong is not None:
            yield folder.fault(
                f"{side} {tensor.name!r} has the dimension {tensor.dims[wrong]}",
                "write a positive number, or -1 for one that varies",
                side,
                index,
                "dims",
                wrong,
            )


@rule(on=readable)
def tensor_reshape(folder: Folder) -> Iterator[Fault]:
    """A reshape keeps the number of elements."""
    for side, index, tensor in _tensors(folder):
        if not tensor.HasField("reshape"):
            continue
        dims, shape = list(tensor.dims), list(tensor.reshape.shape)
        if any(dim < 1 and dim != -1 for dim in shape):
            why = f"reshapes to {shape}, with a dimension that is neither positive nor -1"
        elif not shape and not folder.batches:
            why = "reshapes to rank 0, which needs max_batch_size above 0"
        elif _runs(dims) != _runs(shape):
            why = f"reshapes {dims} to {shape}, which has another number of elements"
        else:
            continue
        yield folder.fault(
            f"{side} {tensor.name!r} {why}",
            "give both the same elements between the same -1s, or leave reshape out",
            side,
            index,
            "reshape",
        )


def _runs(dims: list[int]) -> list[int]:
    """The number of elements before, between and after the dimensions that vary."""
    runs: list[list[int]] = [[]]
    for dim in dims:
        if dim == -1:
            runs.append([])
        else:
            runs[-1].append(dim)
    return [math.prod(run) for run in runs]


@rule(on=readable)
def tensor_format(folder: Folder) -> Iterator[Fault]:
    """An input of FORMAT_NHWC or FORMAT_NCHW has three dimensions."""
    for index, tensor in enumerate(folder.config.input):
        if tensor.format != tensor.FORMAT_NONE and len(tensor.dims) != 3:
            yield folder.fault(
                f"input {tensor.name!r} has a format of pictures and {len(tensor.dims)} dims",
                "remove format, or give height, width and channels",
                "input",
                index,
                "format",
            )


@rule(on=models)
def tensor_shape_flags(folder: Folder) -> Iterator[Fault]:
    """`is_shape_tensor` and `is_non_linear_format_io` are for TensorRT plans."""
    if folder.config.backend == "tensorrt":
        return
    for side, index, tensor in _tensors(folder):
        for flag in ("is_shape_tensor", "is_non_linear_format_io"):
            if getattr(tensor, flag):
                yield folder.fault(
                    f"{side} {tensor.name!r} sets {flag}, which is for TensorRT plans",
                    "remove it",
                    side,
                    index,
                    flag,
                )


@rule(on=models)
def batch_tensors(folder: Folder) -> Iterator[Fault]:
    """`batch_input` and `batch_output` name inputs and outputs that there are."""
    for side in ("batch_input", "batch_output"):
        for index, entry in enumerate(getattr(folder.config, side)):
            for name in entry.source_input:
                if name not in folder.inputs:
                    yield folder.fault(
                        f"{side} reads {name!r}, which is no input",
                        f"there are: {', '.join(folder.inputs)}",
                        side,
                        index,
                        "source_input",
                    )
            for name in entry.target_name if side == "batch_output" else ():
                if name not in folder.outputs:
                    yield folder.fault(
                        f"{side} writes {name!r}, which is no output",
                        f"there are: {', '.join(folder.outputs)}",
                        side,
                        index,
                        "target_name",
                    )


@rule(on=models, severity=Severity.WARNING)
def optional_input(folder: Folder) -> Iterator[Fault]:
    """The inputs of an ONNX graph are not optional.

    A graph computes with all of its inputs; a request without one fails inside the run.
    """
    if folder.config.backend != ONNX_BACKEND:
        return
    for index, tensor in enumerate(folder.config.input):
        if tensor.optional:
            yield folder.fault(
                f"input {tensor.name!r} is optional, and a graph needs all of its inputs",
                "remove optional",
                "input",
                index,
                "optional",
            )
