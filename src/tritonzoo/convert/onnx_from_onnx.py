"""`OnnxFromOnnx`: an ONNX file from elsewhere, verified, renamed and brought to the opset that is served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tritonzoo.convert.exported import Exported, ToOnnxFile, reason_of, write_exported
from tritonzoo.convert.opset import ONNXRUNTIME, OPSETS
from tritonzoo.errors import ConversionError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt
    from onnx import ModelProto


@dataclass(frozen=True)
class OnnxFile:
    """What a recipe's `load` returns for a model that is an ONNX file already.

        def load(weights):
            return OnnxFile(weights / "net.onnx", names={"input.1": "pixels", "308": "probabilities"})

    `names` tells its tensors' names from those of `config.pbtxt`; a tensor left out is called alike, or is
    the only input or output. `edit` changes the graph once it is read (put arithmetic before it, say); then
    `reference` must say how the source model itself answers: named arrays to named arrays.
    """

    path: Path
    names: Mapping[str, str] = field(default_factory=dict)
    edit: Callable[[ModelProto], ModelProto] | None = None
    reference: Callable[[Mapping[str, npt.NDArray[Any]]], Mapping[str, npt.NDArray[Any]]] | None = None

    def __post_init__(self) -> None:
        if (self.edit is None) != (self.reference is None):
            raise ConversionError(
                f"OnnxFile({self.path.name}): give edit and reference together, or neither; an edited graph"
                f" cannot vouch for itself"
            )

    def names_for(self, kind: str, own: Sequence[str], declared: Sequence[str]) -> list[str]:
        """The file's tensors in declared order.

        Raises:
            ConversionError: which tensor is which cannot be told.
        """
        if len(own) == len(declared) == 1:
            return [own[0]]
        called = {self.names.get(name, name): name for name in own}
        if set(called) != set(declared):
            raise ConversionError(
                f"{self.path.name} has the {kind} {', '.join(own)}, but config.pbtxt declares "
                f"{', '.join(declared)}; tell which is which: OnnxFile(path, names={{'{own[0]}': "
                f"'{declared[0]}', ...}})"
            )
        return [called[name] for name in declared]


@dataclass(frozen=True)
class OnnxFromOnnx(ToOnnxFile):
    """Take over an ONNX file: its operators stay, its names and its opset become ours.

    Args:
        highest_opset: the newest that the target reads; a newer file is refused, one older than `opset` is
            upgraded to that.
    """

    highest_opset: int = field(default=OPSETS[ONNXRUNTIME].highest, kw_only=True)

    def export(self, source: OnnxFile, example: Mapping[str, npt.NDArray[Any]], path: Path) -> Exported:
        """Write the file to `path` as it is served; `example` is not needed, the graph is there already.

        Raises:
            ConversionError: the file is no ONNX, is too new, cannot be upgraded, holds NaN, or takes and
                gives something else than declared.
        """
        model = read_onnx(source.path)
        if source.edit is not None:
            model = source.edit(model)
            _one_opset_a_domain(model, source.path.name)
        opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
        history = _producer(model)
        if opset > self.highest_opset:
            raise ConversionError(
                f"{source.path.name} is of opset {opset}, and no higher than {self.highest_opset} is read "
                f"where it is served; export it anew at opset {self.opset} to {self.highest_opset}"
            )
        if opset < self.opset:
            model = _upgraded(model, self.opset, source.path.name)
            history += f", upgraded from opset {opset}"
        _put_in_order(model, source, self.inputs, self.outputs)
        self.contract.settle(model)
        return write_exported(model, path, f"existing ONNX file ({history})")


def run_onnx_file(source: OnnxFile, inputs: Sequence[str], outputs: Sequence[str]) -> Callable[..., Any]:
    """The file as it came, in ONNX Runtime without optimisation: the reference of its artifacts."""
    if source.reference is not None:
        return source.reference
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(source.path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own errors share no base class
        raise ConversionError(f"{source.path.name} does not load ({reason_of(error)})") from error
    own_inputs = source.names_for("inputs", [tensor.name for tensor in session.get_inputs()], inputs)
    own_outputs = source.names_for("outputs", [tensor.name for tensor in session.get_outputs()], outputs)

    def run(sample: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        feed = {own: sample[name] for own, name in zip(own_inputs, inputs, strict=True)}
        return dict(zip(outputs, session.run(own_outputs, feed), strict=True))

    return run


def read_onnx(path: Path) -> ModelProto:
    """A valid ONNX file, weights kept beside it included.

    Raises:
        ConversionError: it is not there, is cut short, or is not valid ONNX.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model: ModelProto = onnx.load(path)
        onnx.checker.check_model(model)
    except (OSError, DecodeError, ValueError, onnx.checker.ValidationError) as error:
        raise ConversionError(f"{path.name} is not a whole ONNX file ({reason_of(error)})") from error
    return model


def _one_opset_a_domain(model: ModelProto, name: str) -> None:
    """List each once: `onnx.compose` repeats them for every graph that it joins, which other tools refuse."""
    versions: dict[str, set[int]] = {}
    for entry in model.opset_import:
        versions.setdefault("" if entry.domain == "ai.onnx" else entry.domain, set()).add(entry.version)
    for domain, found in versions.items():
        if len(found) > 1:
            raise ConversionError(
                f"{name}, edited, is of the opsets {' and '.join(map(str, sorted(found)))} of "
                f"{domain or 'ai.onnx'} at once; write the parts that edit() joins at one opset"
            )
    del model.opset_import[:]
    for domain, (version,) in versions.items():
        model.opset_import.add(domain=domain, version=version)


def _upgraded(model: ModelProto, opset: int, name: str) -> ModelProto:
    from onnx import version_converter

    try:
        upgraded: ModelProto = version_converter.convert_version(model, opset)
    except Exception as error:  # the converter's C++ raises bare RuntimeErrors and worse
        raise ConversionError(
            f"{name} cannot be upgraded to opset {opset} ({reason_of(error)}); export it anew at that opset"
        ) from error
    return upgraded


def _put_in_order(model: ModelProto, source: OnnxFile, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Inputs and outputs in declared order; weights that old files also list as inputs are weights only."""
    weights = {tensor.name for tensor in model.graph.initializer}
    for kind, tensors, declared in (
        ("inputs", model.graph.input, inputs),
        ("outputs", model.graph.output, outputs),
    ):
        by_name = {
            tensor.name: tensor for tensor in tensors if kind == "outputs" or tensor.name not in weights
        }
        ordered = [by_name[name] for name in source.names_for(kind, list(by_name), declared)]
        del tensors[:]
        tensors.extend(ordered)


def _producer(model: ModelProto) -> str:
    return " ".join((model.producer_name or "unknown producer", model.producer_version)).strip()
