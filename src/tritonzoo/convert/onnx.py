"""`OnnxFromTorch`: a PyTorch module becomes one ONNX file with the tensor names of `config.pbtxt`."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tritonzoo.errors import ConversionError
from tritonzoo.recipe import Shapes

if TYPE_CHECKING:
    import numpy.typing as npt
    import torch

# Inputs are traced at extents no axis of a real model has, so that a constant baked in by accident is seen
# when the graph is measured at other extents.
_LARGEST_PROTOBUF_BYTES = 2_000_000_000


@dataclass(frozen=True)
class OnnxFromTorch:
    """Export with torch's TorchScript-based exporter.

    Args:
        inputs: names in the order of the module's `forward`.
        outputs: names in the order of what it returns.
        shapes: which axes of each input vary.
        opset: of the standard ONNX operators.
    """

    inputs: Sequence[str]
    outputs: Sequence[str]
    shapes: Mapping[str, Shapes]
    opset: int

    @property
    def exporter(self) -> str:
        """What the ledger says of how the graph was made."""
        return f"torch.onnx TorchScript exporter, opset {self.opset}"

    def export(self, module: torch.nn.Module, example: Mapping[str, npt.NDArray[Any]], path: Path) -> None:
        """Write the graph of `module`, traced on one `example` batch, to `path`.

        Raises:
            ConversionError: torch cannot export it, or the graph has inputs or outputs that are not declared.
        """
        import torch

        missing = [name for name in self.inputs if name not in example]
        if missing:
            raise ConversionError(f"samples() yields no {', '.join(missing)}; it must feed every input")
        arguments = tuple(torch.from_numpy(example[name]) for name in self.inputs)
        with torch.inference_mode(), _quiet():
            try:
                torch.onnx.export(
                    module,
                    arguments,
                    path,
                    input_names=list(self.inputs),
                    output_names=list(self.outputs),
                    dynamic_axes=self._dynamic_axes(),
                    opset_version=self.opset,
                    dynamo=False,
                )
            except Exception as error:
                raise ConversionError(f"torch could not export the model: {error}") from error
        self._check(path)

    def _dynamic_axes(self) -> dict[str, dict[int, str]]:
        """Axis 0 is the batch of every tensor; other axes vary where the recipe's shapes do."""
        axes = {
            name: {axis: f"{name}_{axis}" for axis in self.shapes[name].dynamic_axes} for name in self.inputs
        }
        for name in self.inputs:
            if 0 in axes[name]:
                axes[name][0] = "batch"
        return axes | {name: {0: "batch"} for name in self.outputs}

    def _check(self, path: Path) -> None:
        """Refuse a graph that is not the declared one: what is not declared is not proved either."""
        import onnx

        if path.stat().st_size > _LARGEST_PROTOBUF_BYTES:
            raise ConversionError(f"{path.name} is over 2 GB, which one ONNX file cannot hold")
        graph = onnx.load(path, load_external_data=False).graph
        for kind, found, declared in (
            ("inputs", [tensor.name for tensor in graph.input], list(self.inputs)),
            ("outputs", [tensor.name for tensor in graph.output], list(self.outputs)),
        ):
            if found != declared:
                raise ConversionError(
                    f"the exported graph has {kind} {', '.join(found)}, but config.pbtxt declares "
                    f"{', '.join(declared)}; make load() return a module with exactly these"
                )


@contextlib.contextmanager
def _quiet() -> Any:
    """Hold back what the exporter prints of tracing, which the measurement afterwards decides anyway."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
