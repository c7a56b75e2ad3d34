"""Rules about `model_warmup`: one that fails makes the load fail."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tritonzoo.check.finding import Fault
from tritonzoo.check.folder import ONNX_BACKEND, Folder, type_name
from tritonzoo.check.pbtxt import Key
from tritonzoo.check.rule import models, rule
from tritonzoo.runtime.tensors import NUMPY_DTYPES, fits

_FOLDER = "warmup"


def _entries(folder: Folder) -> Iterator[tuple[int, str, Any, Any]]:
    """(index of the warm-up, name, entry, declared input or None)."""
    for index, warmup in enumerate(folder.config.model_warmup):
        for name, entry in sorted(warmup.inputs.items()):
            yield index, name, entry, folder.inputs.get(name)


@rule(on=models)
def warmup_inputs(folder: Folder) -> Iterator[Fault]:
    """A warm-up feeds the model's inputs, all that are not optional."""
    for index, name, _, declared in _entries(folder):
        if declared is None:
            yield folder.fault(
                f"warms up the input {name!r}, which there is not",
                f"there are: {', '.join(folder.inputs)}",
                "model_warmup",
                index,
                "inputs",
                Key(name),
            )
    for index, warmup in enumerate(folder.config.model_warmup):
        unfed = [
            name
            for name, tensor in folder.inputs.items()
            if name not in warmup.inputs and not tensor.optional
        ]
        if unfed:
            yield folder.fault(
                f"warms up without {', '.join(unfed)}",
                "give each input a key in inputs",
                "model_warmup",
                index,
                "name",
            )


@rule(on=models)
def warmup_tensor(folder: Folder) -> Iterator[Fault]:
    """A warm-up's tensors have the data types and the shapes of the inputs, all dimensions fixed."""
    for index, name, entry, declared in _entries(folder):
        if declared is None:
            continue
        path = ("model_warmup", index, "inputs", Key(name), "value")
        if entry.data_type != declared.data_type:
            yield folder.fault(
                f"warms up {name!r} with {type_name(entry.data_type)}, and it is "
                f"{type_name(declared.data_type)}",
                f"write data_type: {type_name(declared.data_type)}",
                *path,
                "data_type",
            )
        if not fits(entry.dims, declared.dims) or any(dim < 0 for dim in entry.dims):
            yield folder.fault(
                f"warms up {name!r} with dims {list(entry.dims)}, and it has {list(declared.dims)}",
                "give one fixed shape that fits, without the batch",
                *path,
                "dims",
            )


@rule(on=models)
def warmup_batch_size(folder: Folder) -> Iterator[Fault]:
    """A warm-up has no more rows than `max_batch_size`, and one where that is 0.

    Triton 2.51 refuses to load a model with more, and in some runs the whole server ends with it (measured:
    docs/pbtxt.md, "Warm-up").
    """
    most = max(folder.config.max_batch_size, 1)
    for index, warmup in enumerate(folder.config.model_warmup):
        if warmup.batch_size > most:
            yield folder.fault(
                f"warms up with batch_size {warmup.batch_size}, and max_batch_size is "
                f"{folder.config.max_batch_size}",
                f"write batch_size: 1 to {most}" if most > 1 else "write batch_size: 1",
                "model_warmup",
                index,
                "batch_size",
            )


@rule(on=models)
def warmup_data(folder: Folder) -> Iterator[Fault]:
    """A warm-up says where each of its tensors comes from.

    Triton refuses a model whose warm-up does not.
    """
    for index, name, entry, _ in _entries(folder):
        if entry.WhichOneof("input_data_type") is None:
            yield folder.fault(
                f"warms up {name!r} with no data",
                "add zero_data: true, random_data: true, or input_data_file",
                "model_warmup",
                index,
                "inputs",
                Key(name),
                "value",
            )


@rule(on=models)
def warmup_file(folder: Folder) -> Iterator[Fault]:
    """A file of a warm-up lies in `<model>/warmup/` and has the bytes of its shape.

    Text is written as Triton takes it: the length of each element in 4 bytes, the lowest first, then the
    element. Where a file is cut off within a text, Triton 2.51 does not refuse the model, it ends (measured).
    """
    for index, name, entry, _ in _entries(folder):
        if not entry.input_data_file:
            continue
        named = entry.input_data_file
        path = (
            folder.path / _FOLDER / named.lstrip("/")
        )  # Triton takes an absolute path as one from there, too
        place = ("model_warmup", index, "inputs", Key(name), "value", "input_data_file")
        if ".." in path.parts:
            yield folder.fault(f"warms up {name!r} from {named}", f"put the file into {_FOLDER}/", *place)
        elif not path.is_file():
            yield folder.fault(
                f"warms up {name!r} from {_FOLDER}/{named.lstrip('/')}, which is not there", "add it", *place
            )
        elif (told := _content(path, type_name(entry.data_type), math.prod(entry.dims))) is not None:
            message, remedy = told
            yield folder.fault(f"{_FOLDER}/{named} {message.format(name=repr(name))}", remedy, *place)


def _content(path: Path, data_type: str, elements: int) -> tuple[str, str] | None:
    """What is wrong with a file's bytes, and the remedy; None where nothing is."""
    dtype = NUMPY_DTYPES.get(data_type)
    if dtype is None:
        return None
    if not dtype.hasobject:
        wanted, size = elements * dtype.itemsize, path.stat().st_size
        if size == wanted:
            return None
        return f"has {size} bytes, and {{name}} needs {wanted}", "write it anew: numpy's array.tofile"
    data, position, found = path.read_bytes(), 0, 0
    while position + 4 <= len(data):
        position += 4 + int.from_bytes(data[position : position + 4], "little")
        found += 1
    if position != len(data):
        return (
            "is cut off, or no text as Triton takes it",
            "write it anew: tritonclient.utils.serialize_byte_tensor(array).item()",
        )
    if found != elements:
        return f"has {found} texts, and {{name}} needs {elements}", "write one for each element"
    return None


@rule(on=models)
def warmup_mask(folder: Folder) -> Iterator[Fault]:
    """A warm-up marks at least one element of the padding mask.

    Our onnxruntime backend refuses a row whose mask is all zeros, and with it the warm-up.
    """
    mask = folder.parameter("padding_mask")
    for index, name, entry, _ in _entries(folder):
        if folder.config.backend == ONNX_BACKEND and name == mask and entry.zero_data:
            yield folder.fault(
                f"warms up with zeros in {name!r}, a mask that then marks nothing",
                "take input_data_file, a file of ones",
                "model_warmup",
                index,
                "inputs",
                Key(name),
                "value",
                "zero_data",
            )
