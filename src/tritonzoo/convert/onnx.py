"""Every way to ONNX: what a recipe's `load` returns decides which one is taken.

    torch.nn.Module                              OnnxFromTorch   torch's TorchScript or dynamo exporter
    Keras model, SavedModel, tf.Module           OnnxFromKeras   tf2onnx
    OnnxFile, or the path of an .onnx file       OnnxFromOnnx    renamed, upgraded

A source that is none of these is refused; its answers are the reference that its artifacts are held to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tritonzoo.convert.declared import Declared
from tritonzoo.convert.exported import Exported
from tritonzoo.convert.onnx_from_keras import OnnxFromKeras, run_keras
from tritonzoo.convert.onnx_from_onnx import OnnxFile, OnnxFromOnnx, run_onnx_file
from tritonzoo.convert.onnx_from_torch import AUTO, DYNAMO, OnnxFromTorch
from tritonzoo.convert.opset import DYNAMO_LOWEST, ONNXRUNTIME, OPSETS, opset_for
from tritonzoo.convert.parity import run_torch
from tritonzoo.errors import ConversionError
from tritonzoo.recipe import Shapes

__all__ = [
    "Exported",
    "OnnxFile",
    "OnnxFromKeras",
    "OnnxFromOnnx",
    "OnnxFromTorch",
    "ToOnnx",
    "reference_run",
]

_TENSORFLOW = {"keras", "tensorflow", "tf_keras"}


@dataclass(frozen=True)
class ToOnnx:
    """Export whatever `load` returned.

    Args:
        inputs: names in the order in which the source model takes them.
        outputs: names in the order in which it gives them.
        shapes: which axes of each input vary.
        declared: what `config.pbtxt` says of the tensors: `declared_by(config)`.
        batched: axis 0 is the batch of every tensor (`max_batch_size` above 0).
        target: what the graph is for: "onnxruntime", "tensorrt" or "legacy".
        pinned_opset: the recipe's, if it pins one.
        using: the recipe's choice of torch's exporters: "auto", "torchscript" or "dynamo".
    """

    inputs: Sequence[str]
    outputs: Sequence[str]
    shapes: Mapping[str, Shapes]
    declared: Mapping[str, Declared] = field(default_factory=dict)
    batched: bool = True
    target: str = ONNXRUNTIME
    pinned_opset: int | None = None
    using: str = AUTO

    def export(self, source: Any, example: Mapping[str, Any], path: Path) -> Exported:
        """Write `source` as ONNX to `path`.

        Raises:
            RecipeError: the target does not read the pinned opset.
            ConversionError: the source is of no known kind, or cannot be exported as declared.
        """
        opset = opset_for(self.target, self.pinned_opset)
        highest = opset if self.pinned_opset else OPSETS[self.target].highest
        if self.using == DYNAMO and not self.pinned_opset:
            opset = min(max(opset, DYNAMO_LOWEST), highest)
        contract = (self.inputs, self.outputs, self.shapes, opset)
        match _kind(source):
            case "torch":
                exporter = OnnxFromTorch(
                    *contract,
                    using=self.using,
                    highest_opset=highest,
                    declared=self.declared,
                    batched=self.batched,
                )
                return exporter.export(source, example, path)
            case "keras":
                return OnnxFromKeras(*contract, declared=self.declared, batched=self.batched).export(
                    source, example, path
                )
            case _:
                from_onnx = OnnxFromOnnx(
                    *contract, highest_opset=highest, declared=self.declared, batched=self.batched
                )
                return from_onnx.export(_file(source), example, path)


def reference_run(source: Any, inputs: Sequence[str], outputs: Sequence[str]) -> Callable[..., Any]:
    """The source model in its own runtime, as a function from named arrays to named arrays."""
    match _kind(source):
        case "torch":
            return run_torch(source, inputs, outputs)
        case "keras":
            return run_keras(source, inputs, outputs)
        case _:
            return run_onnx_file(_file(source), inputs, outputs)


def _kind(source: Any) -> str:
    """Told by the packages of the object's classes, so that no framework is imported for it."""
    packages = {parent.__module__.partition(".")[0] for parent in type(source).__mro__}
    if isinstance(source, OnnxFile | Path):
        return "onnx"
    if "torch" in packages:
        return "torch"
    if packages & _TENSORFLOW:
        return "keras"
    raise ConversionError(
        f"load() returned a {type(source).__name__}; return a torch.nn.Module, a Keras or TensorFlow model, "
        f"or the path of an .onnx file"
    )


def _file(source: OnnxFile | Path) -> OnnxFile:
    return source if isinstance(source, OnnxFile) else OnnxFile(source)
