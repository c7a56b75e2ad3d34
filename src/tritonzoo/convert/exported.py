"""What an exporter made, how it may be told in a ledger, and how it gets to disk whole."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tritonzoo.errors import ConversionError

if TYPE_CHECKING:
    from onnx import ModelProto

LARGEST_PROTOBUF_BYTES = 2_000_000_000
_ANSI_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LONGEST_REASON = 400  # characters of somebody else's message


@dataclass(frozen=True)
class Exported:
    """One ONNX file as it was written; as text, what the ledger says of how it was made."""

    exporter: str  # "torch.onnx TorchScript exporter"
    opset: int
    ir_version: int

    def __str__(self) -> str:
        return f"{self.exporter}, opset {self.opset}"


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
        ConversionError: the graph is not valid ONNX, holds weights that are not numbers, or cannot be written.
    """
    import onnx

    from tritonzoo.convert.graph import require_sound

    require_fits_one_file(sum(_size_bytes(tensor) for tensor in model.graph.initializer))
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise ConversionError(f"the exported graph is not valid ONNX: {reason_of(error)}") from error
    require_sound(model, path.name)
    try:
        onnx.save(model, path)
    except OSError as error:
        raise ConversionError(
            f"{path.parent}: cannot write {model.ByteSize() / 1e6:.1f} MB there ({error.strerror}); free some "
            f"space and convert again; the previous artifact is untouched"
        ) from error
    opset = max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    return Exported(exporter, opset, model.ir_version)


def reason_of(error: BaseException) -> str:
    """The innermost cause of somebody else's error in one line: its type where the text alone says little."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = _ANSI_COLOUR.sub("", str(error)).strip()
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {line[:_LONGEST_REASON]}" if line else type(error).__name__


def _size_bytes(tensor: Any) -> int:
    from onnx import helper

    return math.prod(tensor.dims) * int(helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)
