"""What an exporter made, how it may be told in a ledger, and how it gets to disk whole."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tritonzoo.convert.declared import Declared
from tritonzoo.convert.graph_contract import GraphContract
from tritonzoo.errors import ConversionError
from tritonzoo.recipe import Shapes

if TYPE_CHECKING:
    from onnx import ModelProto

LARGEST_PROTOBUF_BYTES = 2_000_000_000
_ANSI_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_ERROR = re.compile(r"\w*(Error|Exception): ")
_LONGEST_REASON = 400  # characters of somebody else's message


@dataclass(frozen=True)
class Exported:
    """One ONNX file as it was written; as text, what the ledger says of how it was made."""

    exporter: str  # "torch.onnx TorchScript exporter"
    opset: int
    ir_version: int

    def __str__(self) -> str:
        return f"{self.exporter}, opset {self.opset}"


@dataclass(frozen=True)
class ToOnnxFile:
    """What every exporter is told.

    Args:
        inputs: names in the order in which the source model takes them.
        outputs: names in the order in which it gives them.
        shapes: which axes of each input vary; the others are fixed in the graph.
        opset: of the standard ONNX operators.
        declared: what `config.pbtxt` says of the tensors' types and extents, to hold the graph to it.
        batched: axis 0 is the batch of every tensor (`max_batch_size` above 0).
    """

    inputs: Sequence[str]
    outputs: Sequence[str]
    shapes: Mapping[str, Shapes]
    opset: int
    declared: Mapping[str, Declared] = field(default_factory=dict, kw_only=True)
    batched: bool = field(default=True, kw_only=True)

    @property
    def contract(self) -> GraphContract:
        return GraphContract(self.inputs, self.outputs, self.shapes, self.declared, self.batched)


def require_fits_one_file(size_bytes: int) -> None:
    """Refuse weights that one ONNX file cannot hold, before minutes are spent on them.

    Raises:
        ConversionError: they are over 2 GB, the most that one protobuf message takes.
    """
    if size_bytes > LARGEST_PROTOBUF_BYTES:
        raise ConversionError(
            f"the weights take {size_bytes / 1e9:.1f} GB, and one ONNX file holds 2 GB; split the model (an "
            f"encoder and a decoder, say), or load() it in a smaller size"
        )


def write_exported(model: ModelProto, path: Path, exporter: str) -> Exported:
    """Check a settled graph and write it to `path`.

    Raises:
        ConversionError: the graph is not valid ONNX, a weight is NaN, or the file cannot be written.
    """
    import onnx

    require_fits_one_file(sum(_size_bytes(tensor) for tensor in model.graph.initializer))
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise ConversionError(f"the exported graph is not valid ONNX: {reason_of(error)}") from error
    _require_numbers(model)
    try:
        onnx.save(model, path)
    except OSError as error:
        raise ConversionError(
            f"{path.parent}: cannot write {model.ByteSize() / 1e6:.1f} MB there ({error.strerror}); free "
            f"some space and convert again; the previous artifact is untouched"
        ) from error
    opset = max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    return Exported(exporter, opset, model.ir_version)


def reason_of(error: BaseException) -> str:
    """The innermost cause of somebody else's error in one line: its type where the text alone says little."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = _ANSI_COLOUR.sub("", str(error)).strip()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if lines and lines[0].startswith("in user code"):  # TensorFlow puts a traceback before the reason
        lines = [
            _ERROR.sub("", line) for line in itertools.dropwhile(lambda line: not _ERROR.match(line), lines)
        ]
    if len(lines) > 1 and lines[0].startswith("Exception encountered when calling"):  # Keras says where first
        lines = lines[1:]
    line = lines[0] if lines else ""
    return f"{type(error).__name__}: {line[:_LONGEST_REASON]}" if line else type(error).__name__


def _require_numbers(model: ModelProto) -> None:
    from onnx import TensorProto, numpy_helper

    floats = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)
    for tensor in model.graph.initializer:
        if tensor.data_type in floats and np.isnan(numpy_helper.to_array(tensor)).any():
            raise ConversionError(
                f"weight {tensor.name} of the source model holds NaN; its weights are damaged, pull them anew"
            )


def _size_bytes(tensor: Any) -> int:
    from onnx import helper

    itemsize: int = helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    return int(math.prod(tensor.dims)) * itemsize
