"""What a caller has (text, paths, numbers) made into the arrays a pipeline takes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tritonclient.utils import triton_to_np_dtype

from tritonzoo.client.description import Pipeline, Tensor
from tritonzoo.client.transport import Array
from tritonzoo.errors import InvalidInputError


def text_bytes(text: object) -> bytes:
    """UTF-8 of a text; raises InvalidInputError on anything but a str."""
    if not isinstance(text, str):
        raise InvalidInputError(f"a text must be a str, this is {_described(text)}; decode it first")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInputError(
            f"the text has a lone surrogate at character {error.start}, which UTF-8 cannot carry; "
            "remove it, or read its source with errors='replace'"
        ) from None


def file_bytes(source: object) -> bytes:
    """Content of a file: raw bytes are taken as they are, a str or a path is opened.

    Raises InvalidInputError when there is no such file, or it cannot be read.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if not isinstance(source, str | os.PathLike):
        raise InvalidInputError(
            f"a file must be a path or its bytes, this is {_described(source)}; give one of the two"
        )
    shown = _shortened(os.fspath(source))
    try:
        return Path(source).read_bytes()
    except FileNotFoundError:
        where = "" if Path(source).is_absolute() else f" in {Path.cwd()}"
        raise InvalidInputError(
            f"there is no file {shown}{where}; give an existing path, or the bytes"
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise InvalidInputError(
            f"{shown} cannot be read as a file: {reason}; give a path, or the bytes"
        ) from None


def as_arrays(pipeline: Pipeline, inputs: Mapping[str, Any]) -> dict[str, Array]:
    """Every input as the array that the pipeline takes; raises InvalidInputError before anything is sent."""
    for name in inputs:
        if pipeline.input(name) is None:
            raise InvalidInputError(f"{pipeline.name} has no input {name!r}; it takes {pipeline.takes}")
    missing = [tensor for tensor in pipeline.inputs if not tensor.optional and tensor.name not in inputs]
    if missing:
        needed = ", ".join(map(str, missing))
        raise InvalidInputError(f"{pipeline.name} also needs {needed}; it takes {pipeline.takes}")
    batched = pipeline.max_batch_size > 0
    return {
        tensor.name: as_array(inputs[tensor.name], tensor, batched=batched)
        for tensor in pipeline.inputs
        if tensor.name in inputs
    }


def as_array(value: Any, tensor: Tensor, *, batched: bool) -> Array:
    """`value` with the tensor's dtype and rank; a number that does not survive the change is refused.

    A single value fills all axes (shape `(1, 1)` for dims `[1]` and a batch axis); a value that lacks
    only the batch axis gets one of length 1.
    """
    array = (_bytes_array if tensor.datatype == "BYTES" else _number_array)(value, tensor)
    rank = len(tensor.dims) + batched
    if array.ndim == 0:
        return array.reshape((1,) * rank)
    if batched and array.ndim == rank - 1:
        return array[np.newaxis]
    if array.ndim != rank:
        raise InvalidInputError(
            f"input {tensor} wants {rank} axes{' (the first is the batch)' if batched else ''}, "
            f"this has shape {list(array.shape)}"
        )
    return array


def _bytes_array(value: Any, tensor: Tensor) -> Array:
    if isinstance(value, str | bytes):  # np.array would cut bytes at their trailing zeros
        array = np.empty((), dtype=object)
        array[()] = value
    else:
        array = np.array(value, dtype=object)
    encoded = np.empty(array.shape, dtype=object)
    for index, item in np.ndenumerate(array):
        if not isinstance(item, str | bytes):
            raise InvalidInputError(f"input {tensor} takes str or bytes, this is {_described(item)}")
        encoded[index] = text_bytes(item) if isinstance(item, str) else item
    return encoded


def _number_array(value: Any, tensor: Tensor) -> Array:
    dtype = np.dtype(triton_to_np_dtype(tensor.datatype))
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise InvalidInputError(f"input {tensor} wants a regular array: {error}") from None
    if array.dtype == dtype:
        return array
    if array.dtype.kind not in "biuf" or (array.dtype.kind == "b") != (dtype.kind == "b"):
        raise InvalidInputError(f"input {tensor} takes no {array.dtype} values; give {dtype} ones")
    with np.errstate(over="ignore", invalid="ignore"):
        cast = array.astype(dtype)
    # Rounding a fraction to a narrower float is meant; losing a fraction, a sign or a magnitude is not.
    survives = (
        np.array_equal(cast, array)
        if dtype.kind in "iu"
        else np.array_equal(np.isfinite(cast.astype(np.float64)), np.isfinite(array))
    )
    if not survives:
        raise InvalidInputError(f"input {tensor} cannot hold these {array.dtype} values without change")
    return cast


def _described(value: object) -> str:
    return f"{type(value).__name__} {_shortened(repr(value), quoted=False)}"


def _shortened(text: str | bytes, *, quoted: bool = True, most: int = 80) -> str:
    whole = os.fsdecode(text)
    short = whole if len(whole) <= most else f"{whole[:most]}..."
    return repr(short) if quoted else short
