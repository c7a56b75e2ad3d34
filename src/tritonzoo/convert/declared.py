"""A model's tensors as its `config.pbtxt` declares them, in ONNX's terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from google.protobuf.message import Message

_TYPES = {  # Triton's data type -> ONNX's
    "TYPE_BOOL": "BOOL", "TYPE_STRING": "STRING", "TYPE_BF16": "BFLOAT16",
    "TYPE_FP16": "FLOAT16", "TYPE_FP32": "FLOAT", "TYPE_FP64": "DOUBLE",
    **{f"TYPE_{kind}{bits}": f"{kind}{bits}" for kind in ("INT", "UINT") for bits in (8, 16, 32, 64)},
}  # fmt: skip


@dataclass(frozen=True)
class Declared:
    """One tensor as `config.pbtxt` declares it: ONNX's data type, and extents with the batch axis first."""

    data_type: str  # "FLOAT", "INT64", ...
    dims: tuple[int, ...]  # -1: varies, or differs between the model's variants


def declared_by(config: Message) -> dict[str, Declared]:
    """The inputs and outputs of a `ModelConfig`, by name."""
    from tritonclient.grpc import model_config_pb2

    batch = (-1,) if config.max_batch_size > 0 else ()
    return {
        tensor.name: Declared(
            _TYPES[model_config_pb2.DataType.Name(tensor.data_type)], (*batch, *tensor.dims)
        )
        for tensor in (*config.input, *config.output)
    }
