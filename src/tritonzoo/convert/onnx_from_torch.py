"""`OnnxFromTorch`: a PyTorch module becomes one ONNX file with the tensor names of `config.pbtxt`."""

from __future__ import annotations

import inspect
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tritonzoo.convert.exported import (
    Exported,
    ToOnnxFile,
    reason_of,
    require_fits_one_file,
    write_exported,
)
from tritonzoo.convert.graph_contract import GraphContract
from tritonzoo.convert.opset import DYNAMO_LOWEST, ONNXRUNTIME, OPSETS
from tritonzoo.convert.quiet import quiet
from tritonzoo.errors import ConversionError

if TYPE_CHECKING:
    import numpy.typing as npt
    import torch
    from onnx import ModelProto

AUTO, TORCHSCRIPT, DYNAMO = "auto", "torchscript", "dynamo"
_TITLES = {TORCHSCRIPT: "torch.onnx TorchScript exporter", DYNAMO: "torch.onnx dynamo exporter"}
_TORCHSCRIPT_HIGHEST = 20


@dataclass(frozen=True)
class OnnxFromTorch(ToOnnxFile):
    """Export with one of torch's two exporters.

    The TorchScript exporter records one run of the module; a branch taken or a number computed in Python is
    a constant from then on. The dynamo exporter follows the module symbolically, refuses what depends on
    data, and writes opset 18 and up; what it converts down is often wrong or refused by runtimes.

    Args:
        using: "torchscript", "dynamo", or "auto": the first below opset 18, the second from there on, and
            the other one where the first choice cannot export the module and `highest_opset` lets it.
        highest_opset: how far "auto" may go for the sake of the other exporter; a recipe that pins its opset
            gives that one.
    """

    using: str = field(default=AUTO, kw_only=True)
    highest_opset: int = field(default=OPSETS[ONNXRUNTIME].highest, kw_only=True)

    def __post_init__(self) -> None:
        if self.using not in (AUTO, *_TITLES):
            raise ConversionError(f"no exporter {self.using!r}; there are: {', '.join((AUTO, *_TITLES))}")
        if self.using == DYNAMO and self.opset < DYNAMO_LOWEST:
            raise ConversionError(
                f"the dynamo exporter writes opset {DYNAMO_LOWEST} and up, not {self.opset}; pin opset="
                f"{DYNAMO_LOWEST} in the recipe, or use the torchscript exporter"
            )

    @property
    def attempts(self) -> tuple[tuple[str, int], ...]:
        """Which exporter at which opset, in the order in which they are tried."""
        if self.using != AUTO:
            return ((self.using, self.opset),)
        dynamo_opset = max(self.opset, DYNAMO_LOWEST)
        dynamo = ((DYNAMO, dynamo_opset),) if dynamo_opset <= self.highest_opset else ()
        torchscript = ((TORCHSCRIPT, self.opset),) if self.opset <= _TORCHSCRIPT_HIGHEST else ()
        return torchscript + dynamo if self.opset < DYNAMO_LOWEST else dynamo + torchscript

    def export(
        self, module: torch.nn.Module, example: Mapping[str, npt.NDArray[Any]], path: Path
    ) -> Exported:
        """Write the graph of `module`, followed on one `example` batch, to `path`.

        Raises:
            ConversionError: torch cannot export it, a weight is not a number, the graph is not the declared
                one, or the file cannot be written.
        """
        import torch

        missing = [name for name in self.inputs if name not in example]
        if missing:
            raise ConversionError(f"samples() yields no {', '.join(missing)}; it must feed every input")
        require_finite(module)
        arguments = tuple(torch.from_numpy(array) for array in self._traceable(example))
        failures: dict[str, list[str]] = {}
        for exporter, opset in self.attempts:
            try:
                with torch.inference_mode(), quiet():
                    model = _EXPORT[exporter](self.contract, module, arguments, opset)
                self.contract.settle(model)
            except ConversionError as error:
                failures.setdefault(str(error), []).append(f"{exporter} at opset {opset}")
                continue
            return write_exported(model, path, _TITLES[exporter])
        told = "; ".join(f"{reason} ({', '.join(attempts)})" for reason, attempts in failures.items())
        raise ConversionError(f"torch could not export the model: {told}")

    def _traceable(self, example: Mapping[str, npt.NDArray[Any]]) -> Iterator[npt.NDArray[Any]]:
        """The example with two of whatever varies and is one: an extent of 1 is broadcast, not followed."""
        for name in self.inputs:
            array = example[name]
            for axis in self.shapes[name].dynamic_axes:
                if array.shape[axis] == 1:
                    array = np.repeat(array, 2, axis)
            yield np.ascontiguousarray(array)


def require_finite(module: torch.nn.Module) -> None:
    """Refuse a module with a weight that is not a number, whether or not a sample would meet it.

    Raises:
        ConversionError: with the weight's name.
    """
    size_bytes = 0
    for name, weight in module.named_parameters():
        size_bytes += weight.numel() * weight.element_size()
        if weight.is_floating_point() and not weight.isfinite().all():
            raise ConversionError(
                f"weight {name} of the source model holds NaN or Inf; its weights are damaged, pull them anew"
            )
    require_fits_one_file(size_bytes)


def _export_torchscript(
    contract: GraphContract, module: torch.nn.Module, arguments: tuple[torch.Tensor, ...], opset: int
) -> ModelProto:
    import onnx
    import torch

    axes = {
        name: {axis: dim for axis, dim in enumerate(contract.input_dims(name)) if isinstance(dim, str)}
        for name in contract.inputs
    }
    written = io.BytesIO()
    try:
        torch.onnx.export(
            module,
            arguments,
            written,  # in memory: over 2 GB it would scatter files beside the path
            input_names=list(contract.inputs),
            output_names=list(contract.outputs),
            dynamic_axes=axes,
            opset_version=opset,
            dynamo=False,
        )
    except Exception as error:
        raise ConversionError(reason_of(error)) from error
    return onnx.load_model_from_string(written.getvalue())


def _export_dynamo(
    contract: GraphContract, module: torch.nn.Module, arguments: tuple[torch.Tensor, ...], opset: int
) -> ModelProto:
    import torch

    # AUTO and not a named Dim: torch finds out which axes are equal (tokens and their mask) by itself, and an
    # axis that came out fixed is then refused with its name by the contract.
    dynamic_shapes: tuple[Any, ...] = tuple(
        dict.fromkeys(contract.shapes[name].dynamic_axes, torch.export.Dim.AUTO) for name in contract.inputs
    )
    named = _named_parameters(module)
    if named < len(dynamic_shapes):
        dynamic_shapes = (*dynamic_shapes[:named], dynamic_shapes[named:])  # the rest go into *tensors
    try:
        # No names are given: the exporter would put them beside inner tensors of the same name.
        program = torch.onnx.export(
            module,
            arguments,
            dynamic_shapes=dynamic_shapes,
            opset_version=opset,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    except Exception as error:
        raise ConversionError(reason_of(error)) from error
    if program is None:
        raise ConversionError("the exporter gave no graph")
    _require_ranges(contract, program.exported_program)
    model: ModelProto = program.model_proto
    return model


def _require_ranges(contract: GraphContract, program: Any) -> None:
    """Refuse an axis that the module takes at one extent alone: the graph's label says that it varies."""
    values = {node.name: node.meta["val"] for node in program.graph.nodes if node.op == "placeholder"}
    faults = []
    for name, value in zip(contract.inputs, program.graph_signature.user_inputs, strict=True):
        for axis in contract.shapes[name].dynamic_axes:
            extent = values[value].shape[axis]
            allowed = None if isinstance(extent, int) else program.range_constraints.get(extent.node.expr)
            if isinstance(extent, int) or (allowed is not None and allowed.lower == allowed.upper):
                fixed = extent if allowed is None else int(allowed.lower)
                faults.append(contract.fixed_axis_fault(name, axis, fixed))
    if faults:
        raise ConversionError("; ".join(faults))


def _named_parameters(module: torch.nn.Module) -> int:
    """How many inputs `forward` takes by name; the others it takes as `*tensors`."""
    kinds = [parameter.kind for parameter in inspect.signature(module.forward).parameters.values()]
    gathered = inspect.Parameter.VAR_POSITIONAL
    return kinds.index(gathered) if gathered in kinds else len(kinds)


_EXPORT = {TORCHSCRIPT: _export_torchscript, DYNAMO: _export_dynamo}
